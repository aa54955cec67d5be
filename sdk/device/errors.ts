/**
 * Errors that callers may want to catch apart from the built-in ones.
 *
 * @module
 */

/** Thrown when a device cannot hold what was asked for. */
export class OutOfMemoryError extends Error {
  /** The name of the class. */
  override readonly name = "OutOfMemoryError";
  /** Bytes that were asked for. */
  readonly requested: number;
  /** Bytes that the device held already. */
  readonly held: number;
  /**
   * Makes the error.
   *
   * @param message What could not be done.
   * @param sizes Bytes asked for and held.
   * @param options The cause.
   */
  constructor(message: string, sizes: { requested: number; held: number }, options?: ErrorOptions) {
    super(message, options);
    this.requested = sizes.requested;
    this.held = sizes.held;
  }
}

/**
 * Thrown when a device stopped working (a trap, a worker that died, a lost GPU), and by what was lost with it; `device.recover()` opens the
 * next one.
 */
export class DeviceLostError extends Error {
  /** The name of the class. */
  override readonly name = "DeviceLostError";
}

/** Thrown when weights or a fitted context cannot be used: a broken file, or names and shapes that do not fit. */
export class WeightsError extends Error {
  /** The name of the class. */
  override readonly name = "WeightsError";
}
