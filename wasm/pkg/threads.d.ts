/** The module's bytes in base64. */
export const wasm: string;
/** SHA-256 of the sources it was built from. */
export const hash: string;
