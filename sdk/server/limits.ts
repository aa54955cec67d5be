/** Bounds on what one request may ask for, and on how many wait. */
export interface Limits {
  /** Longest body in bytes. Default 8 MiB. */
  bodyBytes: number;
  /** Most rows to learn. Default 10,000. */
  trainRows: number;
  /** Most rows to predict. Default 10,000. */
  rows: number;
  /** Most features. Default 500. */
  columns: number;
  /** Most classes. Default 100. */
  classes: number;
  /** Most answers that one request to a language model may ask for, those to all its prompts together. Default 16. */
  choices: number;
  /** Longest file of a fitted context that may be uploaded, in bytes. Default 64 MiB. */
  uploadBytes: number;
  /** Fitted contexts that are held on the device; others are read from the store again. Default 32. */
  contexts: number;
  /** Bytes of the files of these together. Default 256 MiB. */
  contextBytes: number;
  /** Requests that may wait while one computes; more are told to come back. Default 64. */
  waiting: number;
  /** Requests with the same token that may wait or compute at once. Default: as many as there are places. */
  perToken: number;
  /** Bytes of all bodies that are held at once; more are told to come back. Default 64 MiB. */
  heldBytes: number;
  /** Longest time for one request, waiting included, in milliseconds. Default 60,000. */
  timeoutMs: number;
  /** Longest time that a body may take to come, in milliseconds. Default 30,000. */
  bodyMs: number;
  /** Longest time that a client may leave a streamed answer unread, in milliseconds. Default 20,000. */
  stallMs: number;
  /** Longest time that requests may go on once the server shuts down, in milliseconds. Default 10,000. */
  graceMs: number;
}

/** Timers take no longer time than this. */
const MOST = 2 ** 31 - 1;

const DEFAULTS: Limits = {
  bodyBytes: 8 * 2 ** 20,
  trainRows: 10_000,
  rows: 10_000,
  columns: 500,
  classes: 100,
  choices: 16,
  uploadBytes: 64 * 2 ** 20,
  contexts: 32,
  contextBytes: 256 * 2 ** 20,
  waiting: 64,
  perToken: MOST,
  heldBytes: 64 * 2 ** 20,
  timeoutMs: 60_000,
  bodyMs: 30_000,
  stallMs: 20_000,
  graceMs: 10_000,
};

/**
 * Fills in the limits that were left out.
 *
 * @param given Some limits.
 * @returns All limits.
 * @throws {RangeError} If one is not a whole number from 0 to 2^31 - 1.
 */
export function withDefaults(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof Limits)[]) {
    const value = given[name] ?? DEFAULTS[name];
    if (!(Number.isInteger(value) && value >= 0 && value <= MOST)) {
      throw new RangeError(
        `Cannot create the handler: limit "${name}" is ${value}, expected a whole number from 0 to ${MOST}`,
      );
    }
    limits[name] = value;
  }
  return limits;
}
