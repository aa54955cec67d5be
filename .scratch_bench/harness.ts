// A WebGPU device without the backend: runs dispatches of kernels as they are planned, and times each.
import { requestDevice, findAdapter } from "../gpu/adapter.ts";
import { CommandQueue } from "../gpu/queue.ts";
import type { Caps, Dispatch } from "../gpu/kernel.ts";
import { dispatchesOf } from "../gpu/kernels/mod.ts";
import type { Op } from "../sdk/device/ops.ts";

const gpu = (navigator as any).gpu as GPU;
const { device, adapter } = await requestDevice(() => findAdapter(gpu, true));
device.addEventListener("uncapturederror", (e: any) => console.log("ERROR", e.error.message));
export const has = (f: string) => device.features.has(f as any);
export const caps: Caps = {
  maxBinding: Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize),
  workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
  invocations: Math.min(device.limits.maxComputeInvocationsPerWorkgroup, device.limits.maxComputeWorkgroupSizeX),
  f16: has("shader-f16"),
  subgroups: has("subgroups"),
};
console.log("adapter", adapter.info.description || adapter.info.device, JSON.stringify(caps));
const queue = new CommandQueue(device, (e) => console.log("ERROR", e.message));
const held = new Map<number, any>();
let last = 0;
export function alloc(bytes: number): number {
  const size = Math.ceil(bytes / 256) * 256;
  const buffer = device.createBuffer({ size, usage: 0x80 | 0x4 | 0x8 });
  held.set(++last, { buffer, number: last, size, batch: 0, bytes });
  return last;
}
export function free(id: number) { held.get(id).buffer.destroy(); held.delete(id); queue.forget(); }
export function upload(data: ArrayBufferView & { length: number }): number {
  const id = alloc(data.byteLength);
  const bytes = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  device.queue.writeBuffer(held.get(id).buffer, 0, bytes);
  return id;
}
/** Ids that plans ask for; kept for the plan. */
export function plan(op: Op): Dispatch[] & { scratch: number[] } {
  const scratch: number[] = [];
  const d = dispatchesOf(op, { caps, scratch: (b) => { const id = alloc(b); scratch.push(id); return id; } }, (id) => held.get(id).bytes);
  return Object.assign(d, { scratch });
}
export const context = { caps, scratch: alloc };
export const bytesOf = (id: number) => held.get(id).bytes;
export function run(ds: readonly Dispatch[]) { for (const d of ds) queue.dispatch(d, (id) => held.get(id)); }
export function copy(from: number, to: number, at: number, bytes: number) {
  queue.copy((e) => e.copyBufferToBuffer(held.get(from).buffer, 0, held.get(to).buffer, at, bytes));
}
export async function done() { queue.submit(); await device.queue.onSubmittedWorkDone(); }
async function readBuffer(record: (e: GPUCommandEncoder, to: GPUBuffer) => void, bytes: number): Promise<ArrayBuffer> {
  const to = device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage: 0x1 | 0x8 });
  queue.copy((e) => record(e, to));
  queue.submit();
  await to.mapAsync(1);
  const data = to.getMappedRange().slice(0);
  to.destroy();
  return data;
}
export const read = (id: number, bytes = held.get(id).bytes) =>
  readBuffer((e, to) => e.copyBufferToBuffer(held.get(id).buffer, 0, to, 0, Math.ceil(bytes / 4) * 4), bytes);
const set = has("timestamp-query") ? device.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
const times = device.createBuffer({ size: 16, usage: 0x200 | 0x4 });
async function once(ds: readonly Dispatch[], reps: number): Promise<number> {
  queue.submit();
  if (!set) { const t = performance.now(); for (let i = 0; i < reps; i++) run(ds); await done(); return (performance.now() - t) / reps; }
  // A fresh set each time: the queue writes the beginning of a set once.
  const fresh = device.createQuerySet({ type: "timestamp", count: 2 });
  queue.timestamps = fresh;
  for (let i = 0; i < reps; i++) run(ds);
  const data = await readBuffer((e, to) => { e.resolveQuerySet(fresh, 0, 2, times, 0); e.copyBufferToBuffer(times, 0, to, 0, 16); }, 16);
  queue.timestamps = undefined;
  fresh.destroy();
  const [a, b] = new BigUint64Array(data);
  return Number(b! - a!) / 1e6 / reps;
}
export const quick = Deno.args.includes("quick");
/** Median milliseconds of one repetition. */
export async function ms(ds: readonly Dispatch[], reps = 10): Promise<number> {
  if (quick) { await once(ds, 1); return await once(ds, 1); }
  await once(ds, 2);
  const t0 = performance.now();
  let one = 1;
  do { one = await once(ds, reps); } while (performance.now() - t0 < 60);
  const all: number[] = [];
  for (let i = 0; i < 5; i++) all.push(await once(ds, reps));
  return all.sort((a, b) => a - b)[2]!;
}
/** Warms the clocks. */
export async function warm(ds: readonly Dispatch[], until = 400) {
  const t0 = performance.now();
  while (performance.now() - t0 < (quick ? 0 : until)) await once(ds, 10);
}
export async function show(name: string, ds: readonly Dispatch[], { bytes = 0, each = true }: { bytes?: number; each?: boolean } = {}): Promise<number> {
  const all = await ms(ds);
  const parts: string[] = [];
  if (each && ds.length > 1) for (const d of ds) parts.push(`${d.kernel.name}${Object.keys(d.constants).filter((k) => /COUNT|SPLIT|FIRST|LAST|SIZE/.test(k)).map((k) => " " + k).join("")} x${d.groups} ${(await ms([d])).toFixed(4)}`);
  console.log(name.padEnd(44), all.toFixed(4), "ms", bytes ? (bytes / all / 1e6).toFixed(0) + " GB/s" : "", parts.length ? "| " + parts.join("; ") : "");
  return all;
}
