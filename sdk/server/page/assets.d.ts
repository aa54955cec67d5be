/** The document, with its style and script in it. */
export const html: string;
/** The hash of its script, for a content security policy. */
export const scriptHash: string;
/** The hash of its style. */
export const styleHash: string;
/** Tables to try, as CSV, by name. */
export const samples: Readonly<Record<string, string>>;
