/**
 * Samples for searches that look at them more than once.
 *
 * @module
 */

/**
 * A list of samples, or a function that produces them anew at every call: what lies in memory then is one sample at a time.
 */
export type Samples<Sample> =
  | readonly Sample[]
  | (() => Iterable<Sample> | AsyncIterable<Sample>);

/** Goes through all samples once. */
export async function* eachSample<Sample>(samples: Samples<Sample>): AsyncGenerator<Sample> {
  yield* typeof samples === "function" ? samples() : samples;
}
