/**
 * Decodes the bytes of a text file: UTF-8, or UTF-16 where a byte order mark says so. The mark is dropped.
 *
 * @param bytes The file.
 * @returns Its text.
 * @throws {SyntaxError} If the bytes are not valid text in that encoding.
 */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyntaxError(
      `Cannot read CSV: the text is not valid ${encoding.toUpperCase()}; save it as UTF-8`,
      {
        cause,
      },
    );
  }
}
