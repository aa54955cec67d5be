/**
 * From a build's base64 text to a module.
 *
 * @module
 */

/** `Uint8Array.fromBase64`, which not every runtime has yet. */
interface FromBase64 {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

/**
 * Decodes base64.
 *
 * @param text Base64 with the usual alphabet.
 * @returns The bytes.
 * @throws SyntaxError or an engine's error if the text is not base64.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const { fromBase64 } = Uint8Array as FromBase64;
  if (fromBase64) return fromBase64.call(Uint8Array, text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
