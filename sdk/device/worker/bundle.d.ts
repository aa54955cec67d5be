/** The text of the worker's module. */
export const source: string;
