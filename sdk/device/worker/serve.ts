/**
 * The side that computes: runs a backend at the word of messages.
 *
 * @module
 */
import type { Backend } from "../backend.ts";
import type { DeviceAttempt } from "../device.ts";
import { askParent, type Helper } from "./relay.ts";
import { type Call, packError, type RemoteOptions, type Request, type Response } from "./protocol.ts";

/** How the side that computes speaks and ends. */
export interface ServerPort {
  post(response: Response, transfer?: ArrayBuffer[]): void;
  close(): void;
}

/** Opens a backend with the parent's help; notes what was tried. */
export type OpenBackend = (
  options: RemoteOptions,
  tried: DeviceAttempt[],
  helper: Helper,
) => Promise<Backend>;

/** Milliseconds of work after which the caller hears how far it is. */
const REPORT_EVERY = 5;

/**
 * Answers messages with a backend.
 *
 * @param port How to speak.
 * @param open Opens the backend.
 * @returns What to do with each message.
 */
export function serveBackend(port: ServerPort, open: OpenBackend): (request: Request) => void {
  let backend: Backend | undefined;
  let opening = false;
  let disposed = false;
  let failed = false;
  let done = 0;
  let reported = 0;
  const absent = new Set<number>();
  const parent = askParent((request) => port.post(request));

  const end = (): void => {
    backend?.dispose();
    backend = undefined;
    port.close();
  };
  const report = (error?: unknown): void => {
    if (done === 0 && error === undefined) return;
    const now = performance.now();
    const failure = error === undefined ? {} : { failure: packError(error) };
    port.post({ kind: "progress", done, ms: now - reported, ...failure });
    done = 0;
    reported = now;
  };
  const fail = (error: unknown): void => {
    if (failed) return;
    failed = true;
    report(error);
  };
  const read = (on: Backend, { id, byteOffset, bytes, ticket }: Call & { call: "read" }): void => {
    if (failed) return port.post({ kind: "skipped", ticket });
    on.read(id, byteOffset, bytes).then(
      (data) => port.post({ kind: "data", ticket, data }, [data]),
      (error) => {
        fail(error);
        port.post({ kind: "skipped", ticket });
      },
    );
  };
  const obey = (on: Backend, call: Call): void => {
    switch (call.call) {
      case "resume":
        failed = false;
        return;
      case "read":
        return read(on, call);
      case "free":
        if (!absent.delete(call.id)) on.free(call.id);
        return;
      case "create":
        absent.add(call.id);
        if (failed) return;
        on.create(call.id, call.bytes, call.data && new Uint8Array(call.data));
        absent.delete(call.id);
        return;
      case "write":
        if (!failed) on.write(call.id, call.byteOffset, new Uint8Array(call.data));
        return;
      case "run":
        if (!failed) on.run(call.op);
        return;
    }
  };

  return (request) => {
    switch (request.kind) {
      case "open": {
        const tried: DeviceAttempt[] = [];
        opening = true;
        open(request.options, tried, parent.helper).then((opened) => {
          backend = opened;
          if (disposed) return end();
          const { kind: device, report } = opened;
          port.post({ kind: "opened", device, report, tried, panel: opened.weightBytes(1, 1, "i8") });
        }).catch((error) => {
          if (disposed) end();
          else port.post({ kind: "refused", error: packError(error), tried });
        }).finally(() => opening = false);
        return;
      }
      case "calls":
        if (backend === undefined) return;
        reported = performance.now();
        for (const call of request.calls) {
          try {
            obey(backend, call);
          } catch (error) {
            fail(error);
          }
          done++;
          if (performance.now() - reported > REPORT_EVERY) report();
        }
        report();
        return;
      case "dispose":
        disposed = true;
        // Drivers of GPUs do not like threads that end in the middle of something.
        if (!opening) end();
        return;
      default:
        parent.hear(request);
    }
  };
}
