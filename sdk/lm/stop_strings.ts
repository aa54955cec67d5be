/**
 * Ends a text before the first of some strings.
 *
 * @module
 */

/**
 * Watches a text that comes in parts for strings that end it. What it gives out does not depend on where the parts begin and end.
 *
 * @example
 * ```ts
 * import { StopStrings } from "./stop_strings.ts";
 *
 * const stop = new StopStrings(["END"]);
 * console.log(stop.push("the E"), stop.push("ND of"), stop.found); // "the ", "", true
 * ```
 */
export class StopStrings {
  readonly #stops: readonly string[];
  /** Text that may be the beginning of a string. */
  #held = "";
  #found = false;

  /**
   * Starts with no text.
   *
   * @param stops The strings; the one that is complete first counts, of several the longest.
   * @throws RangeError if one is empty.
   */
  constructor(stops: readonly string[]) {
    if (stops.includes("")) {
      throw new RangeError("Cannot stop at an empty string: expected at least one character");
    }
    this.#stops = stops;
  }

  /** Whether one of the strings came; nothing is given out from then on. */
  get found(): boolean {
    return this.#found;
  }

  /**
   * Takes more text.
   *
   * @param part The text.
   * @returns What cannot be part of a string any more.
   */
  push(part: string): string {
    if (this.#found) return "";
    const text = this.#held + part;
    let begin = Infinity;
    let end = Infinity;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const last = at + stop.length;
      if (last < end || (last === end && at < begin)) [begin, end] = [at, last];
    }
    this.#found = end < Infinity;
    if (!this.#found) begin = text.length - this.#beginning(text);
    this.#held = this.#found ? "" : text.slice(begin);
    return text.slice(0, begin);
  }

  /**
   * Ends the text.
   *
   * @returns What was held back.
   */
  end(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Length of the longest end of a text with which a string begins. */
  #beginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
