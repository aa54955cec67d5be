/** SHA-256 of the bundled weights, in hex. */
export const hash: string;
/** The bundled weights: a safetensors file. */
export function bytes(): Uint8Array;
