/**
 * The roof of memory: bytes per second that threads read in order, by a module of vector loads and nothing else.
 *
 * @module
 */

/** Bytes that a thread reads: far more than caches hold. */
const BYTES = 1 << 28;
/** Vectors of a round, each into an accumulator of its own. */
const LOADS = 8;

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...leb(Math.floor(value / 128))];
}

/** A section or a body: its length, then its bytes. */
const sized = (bytes: readonly number[]): number[] => [...leb(bytes.length), ...bytes];

/** A module with a memory of `BYTES` and `sum(from, to)`, which reads all between. */
function streamModule(): Uint8Array<ArrayBuffer> {
  const [v128, i32, simd] = [0x7b, 0x7f, 0xfd];
  const get = (local: number): number[] => [0x20, local];
  const set = (local: number): number[] => [0x21, local];
  const accumulators = Array.from({ length: LOADS }, (_, n) => 2 + n);
  const xor = [simd, 0x51];
  const body = [
    1, LOADS, v128,
    0x03, 0x40, // loop
    ...accumulators.flatMap((to, n) => [...get(0), simd, 0x00, 4, ...leb(16 * n), ...get(to), ...xor, ...set(to)]),
    ...get(0), 0x41, ...signed(16 * LOADS), 0x6a, 0x22, 0, // from += a round
    ...get(1), 0x49, 0x0d, 0, 0x0b, // while from < to
    ...get(accumulators[0]!),
    ...accumulators.slice(1).flatMap((from) => [...get(from), ...xor]),
    simd, 0x1b, 0, // the first lane
    0x0b,
  ];
  const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);
  const sections: readonly [number, number[]][] = [
    [1, [1, 0x60, 2, i32, i32, 1, i32]],
    [3, [1, 0]],
    [5, [1, 0, ...leb(BYTES >> 16)]],
    [7, [2, ...text("memory"), 2, 0, ...text("sum"), 0, 0]],
    [10, [1, ...sized(body)]],
  ];
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flatMap(([id, bytes]) => [id, ...sized(bytes)])]);
}

/** Signed LEB128 of a number from 64 to 8191. */
function signed(value: number): number[] {
  return [value % 128 + 128, Math.floor(value / 128)];
}

/** Gigabytes per second of one thread: the best of as many reads as fit into some milliseconds. */
export async function streamRead(ms: number): Promise<number> {
  const { instance } = await WebAssembly.instantiate(streamModule());
  const { memory, sum } = instance.exports as { memory: WebAssembly.Memory; sum: (from: number, to: number) => number };
  // Memory that was never written is one page of zeros.
  new Uint8Array(memory.buffer).fill(1);
  sum(0, BYTES);
  let best = Infinity;
  for (const begin = performance.now(); performance.now() - begin < ms;) {
    const start = performance.now();
    sum(0, BYTES);
    best = Math.min(best, performance.now() - start);
  }
  return BYTES / best / 1e6;
}

/** What some threads read together, each in its own memory, in gigabytes per second. */
export async function streamRoof(threads: number, ms = 600): Promise<number> {
  if (threads === 1) return await streamRead(ms);
  const workers = Array.from({ length: threads }, () => new Worker(new URL("stream_worker.ts", import.meta.url), { type: "module" }));
  const speeds = await Promise.all(workers.map((worker) =>
    new Promise<number>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(ms);
    })
  ));
  for (const worker of workers) worker.terminate();
  return speeds.reduce((sum, speed) => sum + speed, 0);
}
