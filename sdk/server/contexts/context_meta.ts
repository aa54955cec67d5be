import type { Column, Label } from "../tables.ts";

/** The version of {@linkcode ContextMeta}. */
export const META_FORMAT = 1;

/** What a store keeps beside the file of a fitted context. */
export interface ContextMeta {
  /** The version of this description. */
  readonly format: typeof META_FORMAT;
  /** A digest of the token that made it; "" where the server takes no tokens. */
  readonly owner: string;
  /** When it was made, in ISO 8601. */
  readonly created: string;
  /** The name of the model. */
  readonly model: string;
  /** The column that it predicts; `null` if it came as a file. */
  readonly target: string | null;
  /** Its classes, in the order of the probabilities. */
  readonly classes: readonly Label[];
  /** Its features; `null` if they are not known. */
  readonly columns: readonly Column[] | null;
  /** The rows that it learned; `null` if they are not known. */
  readonly rows: number | null;
  /** The bytes of its file. */
  readonly bytes: number;
}

/**
 * Makes an id that nobody can guess: 128 random bits.
 *
 * @returns The id.
 */
export function newContextId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `ctx_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Says whether a text could be the id of a context.
 *
 * @param text The text.
 * @returns Whether it has the form of one.
 */
export function isContextId(text: string): boolean {
  return /^ctx_[0-9a-f]{32}$/.test(text);
}

/**
 * Says whether a description from a store is one of this version.
 *
 * @param value The description.
 * @returns Whether it is.
 */
export function isContextMeta(value: unknown): value is ContextMeta {
  return (value as Partial<ContextMeta> | null)?.format === META_FORMAT;
}
