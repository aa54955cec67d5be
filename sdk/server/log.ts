/**
 * A line of the log. It holds nothing of what callers send or get: no bodies, tokens, queries or ids from paths.
 */
export interface LogEvent {
  /** When, in ISO 8601. */
  readonly time: string;
  /** How serious it is. */
  readonly level: "info" | "warn" | "error";
  /** What happened: "request" for every answer, "shutdown", and what groups of routes add. */
  readonly event: string;
  /** The id of the request. */
  readonly id?: string;
  /** Its method. */
  readonly method?: string;
  /** The pattern of its path, such as `/v1/tabular/contexts/:id`; "other" if there is none. */
  readonly route?: string;
  /** The status of the answer. */
  readonly status?: number;
  /** The code of a refusal. */
  readonly code?: string;
  /** The class of the error behind it. */
  readonly error?: string;
  /** Milliseconds until the answer was complete. */
  readonly ms?: number;
  /** Milliseconds of these that it waited for other requests. */
  readonly waitMs?: number;
  /** The first letters of a digest of the token. */
  readonly caller?: string;
}

/**
 * Writes events to the console, one line of JSON each.
 *
 * @param event What happened.
 */
export function jsonLog(event: LogEvent): void {
  console.log(JSON.stringify(event));
}
