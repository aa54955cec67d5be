/**
 * The backends of a root device, one after another.
 *
 * @module
 */
import { Store } from "./_handles.ts";
import type { Backend, DeviceKind, Reopen } from "./backend.ts";
import type { DeviceAttempt } from "./device.ts";
import { DeviceLostError } from "./errors.ts";

/** What a root device and its scopes share: the store of now, and how to get the next one. */
export class Life {
  /** The store of the current generation. */
  store: Store;
  /** Stores before this one. */
  generation = 0;
  /** What was tried and lost, in order; {@linkcode Reopen} adds to it. */
  readonly tried: DeviceAttempt[];
  readonly #reopen: Reopen | undefined;
  readonly #lost: DeviceKind[] = [];
  readonly #end = new AbortController();
  #opened: number = performance.now();
  #reopening: Promise<void> | undefined;
  /** How long `tried` was after the last loss: the attempts of a recovery that failed give way to those of the next. */
  #mark = 0;

  constructor(backend: Backend, tried: DeviceAttempt[], reopen: Reopen | undefined) {
    this.store = new Store(backend);
    this.tried = tried;
    this.#reopen = reopen;
  }

  /** Opens the next backend if this one is lost; all who wait share one attempt. */
  async recover(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { disposed, lost } = this.store;
    if (disposed) throw new Error("Cannot recover this device: it is disposed");
    if (lost === undefined) return;
    this.#reopening ??= this.#open(lost).finally(() => this.#reopening = undefined);
    await unlessAborted(this.#reopening, signal);
  }

  dispose(): void {
    this.#end.abort(new Error("The device was disposed of"));
    this.store.dispose();
  }

  async #open(lost: DeviceLostError): Promise<void> {
    const { store, tried } = this;
    if (store.abandoned) {
      tried.length = this.#mark;
    } else {
      const { kind } = store.backend;
      const ms = performance.now() - this.#opened;
      this.#mark = tried.push({ kind, ok: false, reason: `Lost while in use: ${lost.message}`, ms });
      this.#lost.push(kind);
      store.abandon(lost);
    }
    if (this.#reopen === undefined) {
      throw new DeviceLostError(`${lost.message}; the next device is not opened: recovery is off`, {
        cause: lost,
      });
    }
    const { signal } = this.#end;
    const opening = this.#reopen(this.#lost, signal);
    const backend = await opening.catch((cause) => {
      if (signal.aborted) throw disposedMeanwhile();
      throw new DeviceLostError(`${lost.message}; nothing opens in its place: ${messageOf(cause)}`, {
        cause,
      });
    });
    if (signal.aborted) {
      backend.dispose();
      throw disposedMeanwhile();
    }
    this.store = new Store(backend);
    this.generation++;
    this.#opened = performance.now();
  }
}

/** The outcome of some work, or the signal's reason; the work goes on for others. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort);
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return promise;
}

function disposedMeanwhile(): Error {
  return new Error("Cannot recover this device: it was disposed meanwhile");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
