import type { Device, DeviceKind, DeviceReport, openDevice } from "../device/mod.ts";
import { answerError, linearSpeed, memorySpeed } from "./device_speed.ts";

/** What was found out about one kind of device; without what its failure kept from being found out. */
export interface Examination {
  /** The kind. */
  readonly kind: DeviceKind;
  /** Whether it opens and computes right. */
  readonly ok: boolean;
  /** Why it does not, or what is wrong with it. */
  readonly reason?: string;
  /** How long it took to open, or to fail, in milliseconds. */
  readonly openMs: number;
  /** The name of what computes. */
  readonly adapter?: string;
  /** Features of the runtime that were found. */
  readonly features?: readonly string[];
  /** Kernel variants in use. */
  readonly variants?: readonly string[];
  /** What a submit and the readback of a few bytes cost, in milliseconds; absent where tensors lie in host memory. */
  readonly readbackMs?: number;
  /** Bytes per second of a copy on the device, as it was measured at opening; absent where tensors lie in host memory. */
  readonly copyBytesPerSecond?: number;
  /** Error of a computation whose answer is known. */
  readonly answerError?: number;
  /** Floating-point operations per second of a linear layer. */
  readonly linearFlops?: number;
  /** Bytes read and written per second by an operation that does little else. */
  readonly memoryBytesPerSecond?: number;
}

/** How large the work to measure is. */
export interface Workload {
  /** Rows, inputs and outputs of the linear layer. */
  readonly size: number;
  /** Bytes that the other operation reads. */
  readonly bytes: number;
}

/** Largest error that rounding explains. */
const TOLERANCE = 1e-6;

/**
 * Opens a kind of device, lets it compute what is known, and measures it.
 *
 * @param kind The kind.
 * @param open Opens devices.
 * @param workload What to measure with.
 * @returns What was found; it never throws.
 */
export async function examine(
  kind: DeviceKind,
  open: typeof openDevice,
  workload: Workload,
): Promise<Examination> {
  const begin = performance.now();
  let device: Device;
  try {
    device = await open({ prefer: kind, recover: false });
  } catch (error) {
    return { kind, ok: false, reason: messageOf(error), openMs: performance.now() - begin };
  }
  try {
    const { tried, ...report } = device.report;
    const attempt = tried.find((entry) => entry.kind === kind && entry.ok === (device.kind === kind));
    const openMs = attempt?.ms ?? performance.now() - begin;
    if (device.kind !== kind) {
      return { kind, ok: false, reason: attempt?.reason ?? "It was not opened", openMs };
    }
    return { kind, openMs, ...describe(report), ...await measure(device, workload) };
  } finally {
    device.dispose();
  }
}

function describe(
  { adapter, features, variants, measured }: Omit<DeviceReport, "tried">,
): Partial<Examination> {
  return {
    adapter,
    features,
    variants,
    ...(measured && { readbackMs: measured.readbackMs, copyBytesPerSecond: measured.bytesPerSecond }),
  };
}

async function measure(
  device: Device,
  { size, bytes }: Workload,
): Promise<Pick<Examination, "ok"> & Partial<Examination>> {
  const found: { -readonly [K in keyof Examination]?: Examination[K] } = {};
  try {
    found.answerError = await answerError(device);
    if (!(found.answerError <= TOLERANCE)) {
      return {
        ok: false,
        ...found,
        reason: `It computes wrong: error ${found.answerError.toExponential(1)}`,
      };
    }
    found.linearFlops = await linearSpeed(device, size);
    found.memoryBytesPerSecond = await memorySpeed(device, bytes);
    return { ok: true, ...found };
  } catch (error) {
    return { ok: false, ...found, reason: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
