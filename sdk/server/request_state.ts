import type { Context } from "hono";

/** What is known of a request beside what it says. */
export interface RequestState {
  /** Its id. */
  readonly id: string;
  /** When it came, in milliseconds of `performance.now()`. */
  readonly start: number;
  /** A digest of its token; "" without one. */
  caller: string;
  /** Milliseconds that it waited for other requests. */
  waitMs: number;
  /** Bytes of its body that are held. */
  bodyBytes: number;
  /** The code of a refusal. */
  code?: string;
  /** The class of the error behind the refusal. */
  error?: string;
  /** Lets go of what is counted for it. */
  release?: () => void;
  /** Resolves when the answer was sent, if it is sent bit by bit. */
  sent?: Promise<void>;
}

const states = new WeakMap<Context, RequestState>();

/**
 * Begins a request.
 *
 * @param c The request.
 * @param id Its id.
 * @returns What is known of it.
 */
export function beginRequest(c: Context, id: string): RequestState {
  const state: RequestState = { id, start: performance.now(), caller: "", waitMs: 0, bodyBytes: 0 };
  states.set(c, state);
  return state;
}

/**
 * Finds what is known of a request.
 *
 * @param c The request.
 * @returns It.
 */
export function stateOf(c: Context): RequestState {
  return states.get(c) ?? beginRequest(c, "");
}
