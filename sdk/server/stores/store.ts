/** A fitted context as it is kept. */
export interface StoredContext {
  /** A small description: plain JSON. */
  meta: unknown;
  /** The file of the fitted context. */
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Keeps fitted contexts by id. What it holds is all that a server knows of them, so several servers may share one.
 *
 * Ids consist of lower case letters, digits and underscores.
 */
export interface ContextStore {
  /**
   * Reads a context.
   *
   * @returns The context, or `undefined` if there is none of that id.
   */
  get(id: string): Promise<StoredContext | undefined>;
  /**
   * Reads the description alone, which is done at every use of a context.
   *
   * @returns The description, or `undefined` if there is no context of that id.
   */
  describe(id: string): Promise<unknown>;
  /**
   * Keeps a context, all of it or nothing, in the place of one with the same id.
   *
   * @throws {StoreFullError} If there is no room.
   * @throws {StoreReadOnlyError} If nothing may be written.
   */
  put(id: string, context: StoredContext): Promise<void>;
  /**
   * Forgets a context.
   *
   * @returns Whether there was one.
   * @throws {StoreReadOnlyError} If nothing may be written.
   */
  delete(id: string): Promise<boolean>;
}

/** Thrown when a store has no room. */
export class StoreFullError extends Error {
  /** The name of the class. */
  override readonly name = "StoreFullError";
}

/** Thrown when a store may not be written. */
export class StoreReadOnlyError extends Error {
  /** The name of the class. */
  override readonly name = "StoreReadOnlyError";
}
