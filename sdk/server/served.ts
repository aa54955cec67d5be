import { ApiError } from "./api_error.ts";

/** A model, one that is still being loaded, or a function that loads it, and again after its device was lost. */
export type Loadable<T> = T | Promise<T> | (() => Promise<T>);

/** A model that may not be there yet. */
export interface Served<T> {
  /** Whether it can be used. */
  readonly state: "loading" | "ready" | "failed";
  /** The model, once it is there. */
  readonly value: T | undefined;
  /**
   * The model.
   *
   * @throws {ApiError} 503 while it is loading, and if it could not be loaded.
   */
  get(): T;
  /** Loads it again, if it was given as a function. Returns whether it was. */
  reload(): boolean;
}

/**
 * Waits for a model in the background.
 *
 * @param source The model.
 * @param onError Gets the reason if it cannot be loaded.
 * @returns The model, now or later.
 */
export function serve<T extends object>(
  source: Loadable<T>,
  onError: (error: unknown) => void = () => {},
): Served<T> {
  let value: T | undefined;
  let state: Served<T>["state"] = "loading";
  const wait = async (loading: Promise<T>): Promise<void> => {
    try {
      value = await loading;
      state = "ready";
    } catch (error) {
      state = "failed";
      onError(error);
    }
  };
  const load = (): void => {
    letGo(value);
    value = undefined;
    state = "loading";
    if (isLoader(source)) wait(Promise.resolve().then(source));
    else if (source instanceof Promise) wait(source);
    else {
      value = source;
      state = "ready";
    }
  };
  load();
  return {
    get state() {
      return state;
    },
    get value() {
      return value;
    },
    get(): T {
      if (value !== undefined) return value;
      const loading = state === "loading";
      throw new ApiError(
        503,
        loading ? "loading" : "load_failed",
        loading ? "The model is still being loaded; try again soon" : "The model could not be loaded",
        { headers: { "retry-after": loading ? "2" : "60" } },
      );
    },
    reload(): boolean {
      const can = isLoader(source);
      if (can && state !== "loading") load();
      return can;
    },
  };
}

/** What a lost device held is lost already, so this may fail. */
function letGo(model: object & { dispose?: unknown } | undefined): void {
  try {
    if (typeof model?.dispose === "function") model.dispose();
  } catch {
    // It is not used again.
  }
}

function isLoader<T>(source: Loadable<T>): source is () => Promise<T> {
  return typeof source === "function";
}
