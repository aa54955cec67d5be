/**
 * The side that calls: a backend whose every call is a message to a worker.
 *
 * @module
 */
import type { Backend } from "../backend.ts";
import type { DeviceAttempt } from "../device.ts";
import { DeviceLostError } from "../errors.ts";
import { type Op, WEIGHT_BITS, type WeightType } from "../ops.ts";
import {
  type Avoided,
  type Call,
  type RemoteOptions,
  type Request,
  type Response,
  unpackError,
} from "./protocol.ts";
import { type Helper, helpWorker, type RelayRequest } from "./relay.ts";
import type { Spawned, SpawnHandlers } from "./spawn.ts";

/** Starts the worker that computes, and helps it. */
export interface OffThreadHost extends Helper {
  spawnServer(handlers: SpawnHandlers): Promise<Spawned>;
  /** Adds what the caller's thread knows better than the worker to what is not to be tried. */
  avoid(options: RemoteOptions): Promise<Avoided>;
}

/** What to open, and when to give up. */
export interface BackendOptions extends RemoteOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Calls that may be under way when `flush` lets the caller go on, and the milliseconds that they may take. */
const MOST_CALLS = 16;
const MOST_MS = 20;
/** Time that the worker gets to leave by itself, in milliseconds. */
const GRACE = 1000;

/**
 * Opens a backend in a worker.
 *
 * @param host Starts the workers.
 * @param options What to open there.
 * @param tried Gets what was tried there.
 * @returns The backend; operations that fail there reject the next `read` or `flush` here with the same error.
 * @throws The error of the other side, DeviceLostError if the worker does not start, the signal's reason if it is aborted.
 */
export async function openOffThread(
  host: OffThreadHost,
  options: BackendOptions,
  tried: DeviceAttempt[],
): Promise<Backend> {
  const { signal, prefer, threads, wasm } = options;
  signal?.throwIfAborted();
  const opened = Promise.withResolvers<Response & { kind: "opened" }>();
  opened.promise.catch(() => {});
  const relay = helpWorker(host, (news) => post(worker, news));
  let hear = (response: Response): void => {
    if (response.kind === "refused") {
      tried.push(...response.tried);
      opened.reject(unpackError(response.error));
    } else if (response.kind === "opened") {
      tried.push(...response.tried);
      opened.resolve(response);
    }
  };
  let lose = (reason: string): void =>
    opened.reject(new DeviceLostError(`The worker did not start: ${reason}`));
  let gone = false;
  let grace: ReturnType<typeof setTimeout> | undefined;
  const depart = (reason: string): void => {
    gone = true;
    clearTimeout(grace);
    relay.end();
    lose(reason);
  };
  const worker = await host.spawnServer({
    message(data) {
      const response = data as Response;
      if (isForRelay(response)) relay.hear(response);
      else hear(response);
    },
    error: depart,
    exit: () => depart("it ended"),
  });
  const end = (): void => {
    worker.terminate();
    relay.end();
  };
  /** Lets the worker end by itself: a process of Deno may crash while it terminates one that asked for a GPU. */
  const leave = (): void => {
    if (gone) return;
    post(worker, { kind: "dispose" });
    grace = setTimeout(end, GRACE);
  };
  const abort = (): void => opened.reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  worker.hold(true);
  try {
    // The worker loads meanwhile.
    const avoid = await host.avoid(options);
    post(worker, { kind: "open", options: { prefer, threads, wasm, avoid } });
    const answer = await opened.promise;
    const remote = createRemote(worker, leave, end, answer);
    hear = remote.hear;
    lose = remote.lose;
    return remote.backend;
  } catch (error) {
    leave();
    throw error;
  } finally {
    worker.hold(false);
    signal?.removeEventListener("abort", abort);
  }
}

function createRemote(
  worker: Spawned,
  leave: () => void,
  end: () => void,
  { device, report, panel }: Response & { kind: "opened" },
): { backend: Backend; hear(response: Response): void; lose(reason: string): void } {
  let queue: Call[] = [];
  let transfer: ArrayBuffer[] = [];
  let posting = false;
  /** Calls that were posted and not reported done, and the milliseconds that one took lately. */
  let under = 0;
  let pace = 0;
  /** What failed there and was not told yet; and what was told last. */
  let failure: Error | undefined;
  let latest: Error | undefined;
  let disposed = false;
  let lost: DeviceLostError | undefined;
  let lastTicket = 0;
  const reads = new Map<number, { resolve(data: ArrayBuffer): void; reject(error: Error): void }>();
  let waiting: { resolve(): void; reject(error: Error): void }[] = [];

  const check = (): void => {
    if (disposed) throw new Error("Cannot use this device: it is disposed");
    if (lost) throw new DeviceLostError(lost.message, { cause: lost });
  };
  const hold = (): void => worker.hold(reads.size > 0 || waiting.length > 0);
  const send = (): void => {
    posting = false;
    if (queue.length === 0 || disposed || lost) return;
    under += queue.length;
    const calls = queue;
    const moved = transfer;
    queue = [];
    transfer = [];
    post(worker, { kind: "calls", calls }, moved);
  };
  const enqueue = (call: Call): void => {
    queue.push(call);
    if (posting) return;
    posting = true;
    queueMicrotask(send);
  };
  /** A copy that can move to the other side; the caller may change the data at once. */
  const copy = (data: ArrayBufferView): ArrayBuffer => {
    const bytes = new Uint8Array(data.byteLength);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    transfer.push(bytes.buffer);
    return bytes.buffer;
  };
  /** The failure that the other side reported, once; from then on it obeys again. */
  const takeFailure = (): Error | undefined => {
    const error = failure;
    if (error) {
      latest = error;
      failure = undefined;
      enqueue({ call: "resume" });
    }
    return error;
  };
  const mayGoOn = (): boolean => under === 0 || under <= MOST_CALLS && under * pace <= MOST_MS;
  const settle = (): void => {
    if (waiting.length > 0 && (failure || mayGoOn())) {
      const error = takeFailure();
      const all = waiting;
      waiting = [];
      for (const { resolve, reject } of all) error ? reject(error) : resolve();
    }
    hold();
  };
  /** Ends everything that is under way; nothing is sent any more. */
  const rejectAll = (error: Error): void => {
    queue = [];
    transfer = [];
    for (const { reject } of [...reads.values(), ...waiting]) reject(error);
    reads.clear();
    waiting = [];
    hold();
  };
  const fail = (error: Error): void => {
    if (!(error instanceof DeviceLostError)) {
      failure ??= error;
    } else if (!disposed && !lost) {
      // The worker lives, but what it computed with does not; it ends when this is disposed.
      lost = error;
      rejectAll(lost);
    }
  };
  const hear = (response: Response): void => {
    switch (response.kind) {
      case "progress":
        under -= response.done;
        if (response.done > 0) pace = (pace + response.ms / response.done) / 2;
        if (response.failure) fail(unpackError(response.failure));
        break;
      case "data":
        reads.get(response.ticket)?.resolve(response.data);
        reads.delete(response.ticket);
        break;
      case "skipped": {
        // Reads that were under way together all end with the failure that made them senseless.
        const error = takeFailure() ?? latest;
        reads.get(response.ticket)?.reject(error ?? new Error("An operation before this read failed"));
        reads.delete(response.ticket);
        break;
      }
    }
    settle();
  };
  const lose = (reason: string): void => {
    if (disposed || lost) return;
    lost = new DeviceLostError(`The worker of this device is lost: ${reason}`);
    end();
    rejectAll(lost);
  };

  const backend: Backend = {
    kind: device,
    report: { ...report, adapter: `${report.adapter}, off-thread` },
    get lost(): DeviceLostError | undefined {
      return lost;
    },
    weightBytes: (n: number, k: number, dtype: WeightType) =>
      Math.ceil(n / panel) * panel * k * WEIGHT_BITS[dtype] / 8,
    create(id: number, bytes: number, data?: ArrayBufferView): void {
      check();
      enqueue({ call: "create", id, bytes, data: data && copy(data) });
    },
    write(id: number, byteOffset: number, data: ArrayBufferView): void {
      check();
      enqueue({ call: "write", id, byteOffset, data: copy(data) });
    },
    run(op: Op): void {
      check();
      enqueue({ call: "run", op });
    },
    async read(id: number, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
      check();
      const error = takeFailure();
      if (error) throw error;
      const ticket = ++lastTicket;
      const { promise, resolve, reject } = Promise.withResolvers<ArrayBuffer>();
      reads.set(ticket, { resolve, reject });
      enqueue({ call: "read", id, byteOffset, bytes, ticket });
      send();
      hold();
      return await promise;
    },
    free(id: number): void {
      if (lost) return;
      check();
      enqueue({ call: "free", id });
    },
    async flush(): Promise<void> {
      check();
      const error = takeFailure();
      send();
      if (error) throw error;
      if (mayGoOn()) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting.push({ resolve, reject });
      hold();
      await promise;
    },
    dispose(): void {
      if (disposed) return;
      disposed = true;
      rejectAll(new Error("The device was disposed of before this was done"));
      leave();
    },
  };
  return { backend, hear, lose };
}

function isForRelay(response: Response): response is RelayRequest {
  const { kind } = response;
  return kind === "spawn" || kind === "tell" || kind === "end" || kind === "load";
}

function post(worker: Spawned, request: Request, transfer: ArrayBuffer[] = []): void {
  worker.post(request, transfer);
}
