import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "../sdk/testing/assert.ts";
import { DeviceLostError } from "../sdk/device/errors.ts";
import type { Op } from "../sdk/device/ops.ts";
import { fakeKernels } from "./_fake_kernels.ts";
import type { WasmBackend } from "./backend.ts";
import { openWasm } from "./open_wasm.ts";

async function open(threads = 1): Promise<WasmBackend> {
  return (await openWasm({ threads })).backend;
}

const fill = (out: number, n: number, value: number): Op => ({ op: "fill", out, n, value });

describe("the WASM backend", () => {
  test("gives back what was written", async () => {
    const backend = await open();
    backend.create(1, 16, new Float32Array([1, 2, 3, 4]));
    backend.write(1, 4, new Float32Array([7, 8]));
    assertEquals(new Float32Array(await backend.read(1, 0, 16)), new Float32Array([1, 7, 8, 4]));
    assertEquals(new Float32Array(await backend.read(1, 8, 4)), new Float32Array([8]));
    backend.dispose();
  });

  test("reads a copy that later operations do not change", async () => {
    const backend = await open();
    backend.create(1, 8, new Float32Array([1, 2]));
    const reading = backend.read(1, 0, 8);
    backend.run(fill(1, 2, 9));
    const copy = new Float32Array(await reading);
    assertEquals(copy, new Float32Array([1, 2]));
    assert(copy.buffer instanceof ArrayBuffer);
    backend.dispose();
  });

  test("keeps contents when the memory grows", async () => {
    for (const threads of [1, 2]) {
      const backend = await open(threads);
      backend.create(1, 8, new Float32Array([3, 4]));
      const before = backend.memoryBytes;
      backend.create(2, 64 << 20);
      assert(backend.memoryBytes > before);
      backend.run(fill(2, 16 << 20, 5));
      assertEquals(new Float32Array(await backend.read(1, 0, 8)), new Float32Array([3, 4]));
      assertEquals(new Float32Array(await backend.read(2, (64 << 20) - 4, 4)), new Float32Array([5]));
      backend.dispose();
    }
  });

  test("holds what lives and returns to the baseline", async () => {
    const backend = await open();
    for (let round = 0; round < 50; round++) {
      for (let id = 1; id <= 4; id++) backend.create(id, id << 20);
      assertEquals(backend.heldBytes, 10 << 20);
      for (let id = 1; id <= 4; id++) backend.free(id);
      assertEquals(backend.heldBytes, 0);
    }
    assert(backend.memoryBytes < 64 << 20, `${backend.memoryBytes} bytes after 50 rounds of 10 MiB`);
    backend.dispose();
  });

  test("refuses to touch bytes outside a buffer", async () => {
    const backend = await open();
    backend.create(1, 8);
    assertThrows(() => backend.write(1, 4, new Float32Array(2)), RangeError);
    assertThrows(() => backend.write(1, -4, new Float32Array(1)), RangeError);
    assertThrows(() => backend.create(2, 4, new Float32Array(2)), RangeError);
    await assertRejects(() => backend.read(1, 0, 12), RangeError);
    await assertRejects(() => backend.read(1, NaN, 4), RangeError);
    assertThrows(() => backend.run(fill(9, 1, 0)), Error, "buffer 9");
    backend.dispose();
  });

  test("refuses an operation whose sizes do not fit the memory", async () => {
    const backend = await open();
    backend.create(1, 8);
    assertThrows(() => backend.run(fill(1, 0xffff_ffff, 0)), RangeError);
    backend.run(fill(1, 2, 1));
    backend.dispose();
  });

  test("throws after dispose, which may be called twice", async () => {
    const backend = await open(2);
    backend.create(1, 8);
    backend.dispose();
    backend.dispose();
    assertThrows(() => backend.create(2, 8), Error, "disposed");
    assertThrows(() => backend.run(fill(1, 1, 1)), Error, "disposed");
    await assertRejects(() => backend.read(1, 0, 4), Error, "disposed");
    await assertRejects(() => backend.flush(), Error, "disposed");
    assertEquals([backend.heldBytes, backend.memoryBytes], [0, 0]);
  });

  test("flush() lets timers run after 12 ms of work, and returns at once before", async () => {
    const backend = await open();
    backend.create(1, 1 << 22);
    backend.run(fill(1, 1, 1));
    let ticked = false;
    setTimeout(() => ticked = true, 0);
    await backend.flush();
    assertEquals(ticked, false);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const end = performance.now() + 200;
    while (performance.now() < end) {
      backend.run(fill(1, 1 << 20, 1));
      await backend.flush();
    }
    clearInterval(timer);
    assert(ticks >= 5, `${ticks} ticks in 200 ms`);
    backend.dispose();
  });
});

describe("a call inside a call", () => {
  test("is refused, and the device works on", async () => {
    const backend = await open();
    backend.create(1, 8, new Float32Array([1, 2]));
    const evil = (inner: () => unknown): Op => ({
      op: "fill",
      out: 1,
      get n(): number {
        inner();
        return 2;
      },
      value: 5,
    });
    assertThrows(() => backend.run(evil(() => backend.run(fill(1, 2, 7)))), Error, "inside one of its own");
    assertThrows(() => backend.run(evil(() => backend.create(2, 8))), Error, "inside one of its own");
    assertThrows(() => backend.run(evil(() => backend.dispose())), Error, "inside one of its own");
    assertEquals(new Float32Array(await backend.read(1, 0, 8)), new Float32Array([1, 2]));
    backend.dispose();
  });
});

describe("a trap", () => {
  test("loses the device, and every later call says so", async () => {
    const { backend } = await openWasm({ module: fakeKernels({ run: "trap" }) });
    backend.create(1, 8);
    const error = assertThrows(() => backend.run(fill(1, 1, 1)), DeviceLostError);
    assert(error.cause instanceof WebAssembly.RuntimeError);
    assertThrows(() => backend.run(fill(1, 1, 1)), DeviceLostError);
    assertThrows(() => backend.create(2, 8), DeviceLostError);
    await assertRejects(() => backend.read(1, 0, 4), DeviceLostError);
    await assertRejects(() => backend.flush(), DeviceLostError);
    backend.free(1);
    backend.dispose();
  });

  test("inside an allocation loses the device too", async () => {
    const { backend } = await openWasm({ module: fakeKernels({ alloc: "trap" }) });
    assertThrows(() => backend.create(1, 8), DeviceLostError);
    assertThrows(() => backend.create(2, 8), DeviceLostError);
    backend.dispose();
  });
});
