import { describe, test } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "../sdk/testing/assert.ts";
import { createDevice } from "../sdk/device/core_device.ts";
import { DeviceLostError, OutOfMemoryError } from "../sdk/device/errors.ts";
import { type CachedRows, readRows } from "../sdk/device/ops/cached_rows.ts";
import { fakeKernels } from "./_fake_kernels.ts";
import { decodeBase64 } from "./compile.ts";
import { hostEnv, type WasmEnv } from "./env.ts";
import { openWasm, type OpenWasmOptions } from "./open_wasm.ts";

/** This runtime with parts replaced. */
function without(parts: Partial<WasmEnv>): WasmEnv {
  return { ...hostEnv, ...parts };
}

/** Runs another script in place of the pool's. */
function workersThat(script: string, patience = 3000): WasmEnv {
  return without({ patience, spawn: (_, handlers) => hostEnv.spawn(`${PORT}${script}`, handlers) });
}

const PORT =
  `const port = typeof self === "object" ? self : process.getBuiltinModule("node:worker_threads").parentPort;
const leave = () => typeof close === "function" ? close() : process.exit();
const hear = (f) => port.on ? port.on("message", f) : port.onmessage = (event) => f(event.data);\n`;

/** Opens, notes which builds were tried, and computes something to see that it works. */
async function outcome(options: OpenWasmOptions, env: WasmEnv): Promise<[variant: string, ok: boolean][]> {
  const { backend, attempts } = await openWasm(options, env);
  backend.create(1, 8);
  backend.run({ op: "fill", out: 1, n: 2, value: 3 });
  assertEquals(new Float32Array(await backend.read(1, 0, 8)), new Float32Array([3, 3]));
  backend.dispose();
  assert(attempts.every(({ reason, ms }) => reason !== "" && ms >= 0));
  return attempts.map(({ variant, ok }) => [variant, ok]);
}

/** Waits until a condition holds, at most 5 s. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    assert(performance.now() < end, "waited 5 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("openWasm() in a runtime that lacks something", () => {
  test("says what is missing when there is no SIMD", async () => {
    const error = await assertRejects(
      () => openWasm({ threads: 2 }, without({ validate: () => false })),
      AggregateError,
    );
    assertEquals(error.errors.length, 3);
    assert(error.message.includes("SIMD"));
  });

  test("says so when compilation is blocked, and takes a module compiled ahead", async () => {
    const env = without({ compile: () => Promise.reject(new WebAssembly.CompileError("blocked by policy")) });
    const error = await assertRejects(() => openWasm({ threads: 2 }, env), AggregateError);
    assertEquals(error.errors.map((cause) => cause instanceof WebAssembly.CompileError), [true, true, true]);
    const module = new WebAssembly.Module(decodeBase64(await hostEnv.load("simd")));
    assertEquals(await outcome({ module }, env), [["given module", true]]);
  });

  test("says so when instances are refused", async () => {
    const env = without({
      instantiate: () => {
        throw new RangeError("no memory for an instance");
      },
    });
    const error = await assertRejects(() => openWasm({ threads: 2 }, env), AggregateError);
    assertEquals(error.errors.length, 3);
  });

  test("takes the build without threads when memory cannot be shared", async () => {
    const tried = await outcome({ threads: 2 }, without({ canShare: () => false }));
    assertEquals(tried, [["threads", false], ["relaxed", true]]);
  });

  test("takes the build without threads when shared memory is refused", async () => {
    const env = without({
      shareMemory: () => {
        throw new RangeError("could not allocate memory");
      },
    });
    assertEquals(await outcome({ threads: 2 }, env), [["threads", false], ["relaxed", true]]);
  });

  test("asks for less shared memory when address space is short", async () => {
    const env = without({
      shareMemory(initial, maximum) {
        if (maximum > 16384) throw new RangeError("could not allocate memory");
        return hostEnv.shareMemory(initial, maximum);
      },
    });
    assertEquals(await outcome({ threads: 2 }, env), [["threads", true]]);
  });

  test("takes the build without relaxed SIMD when that is not there", async () => {
    const env = without({ validate: (bytes) => bytes.length < 30 && WebAssembly.validate(bytes) });
    assertEquals(await outcome({ threads: 1 }, env), [["relaxed", false], ["simd", true]]);
  });

  test("refuses a number of threads that is not possible", async () => {
    for (const threads of [0, -1, 1.5, NaN, 65]) {
      await assertRejects(() => openWasm({ threads }), RangeError);
    }
  });

  test("throws the reason of a signal aborted before and while it opens", async () => {
    const reason = new Error("changed my mind");
    const early = await assertRejects(() => openWasm({ signal: AbortSignal.abort(reason) }), Error);
    assertEquals(early, reason);
    const controller = new AbortController();
    const opening = openWasm({ threads: 2, signal: controller.signal }, workersThat("hear(() => {});"));
    setTimeout(() => controller.abort(reason), 50);
    assertEquals(await assertRejects(() => opening, Error), reason);
  });
});

describe("openWasm() with a module that is not ours", () => {
  test("refuses what is not a module", async () => {
    await assertRejects(
      () => openWasm({ module: {} as WebAssembly.Module }),
      AggregateError,
      "WebAssembly.Module",
    );
  });

  test("refuses a module that lacks an export", async () => {
    for (const name of ["run", "alloc", "memory"]) {
      const error = await assertRejects(
        () => openWasm({ module: fakeKernels({ without: [name] }) }),
        AggregateError,
      );
      assertInstanceOf(error.errors[0], TypeError);
      assert(error.message.includes(`"${name}"`));
    }
  });

  test("refuses a module with other records", async () => {
    const error = await assertRejects(() => openWasm({ module: fakeKernels({ words: 6 }) }), AggregateError);
    assert(error.message.includes("linear"));
  });
});

describe("openWasm() with a module compiled ahead", () => {
  test("finds out which build it is, and uses one thread", async () => {
    const adapters = [];
    for (const variant of ["simd", "relaxed", "threads"] as const) {
      const module = new WebAssembly.Module(decodeBase64(await hostEnv.load(variant)));
      const { backend } = await openWasm({ module, threads: 4 });
      adapters.push(backend.report.adapter);
      backend.dispose();
    }
    assertEquals(adapters, [
      "wasm simd128, 1 thread",
      "wasm simd128+relaxed, 1 thread",
      "wasm simd128+relaxed, 1 thread",
    ]);
  });
});

describe("memory", () => {
  test("growth refused throws OutOfMemoryError with sizes, and the device works on", async () => {
    const env = without({ shareMemory: (initial) => hostEnv.shareMemory(initial, 512) });
    const { backend } = await openWasm({ threads: 2 }, env);
    const size = 8 << 20;
    let made = 0;
    const error = assertThrows(() => {
      while (made < 10) backend.create(++made, size);
    }, OutOfMemoryError);
    assertEquals([error.requested, error.held], [size, (made - 1) * size]);
    backend.free(1);
    backend.create(99, size);
    backend.run({ op: "fill", out: 99, n: 4, value: 2 });
    assertEquals(new Float32Array(await backend.read(99, 0, 16)), new Float32Array([2, 2, 2, 2]));
    backend.dispose();
  });

  test("growth refused by an allocator that answers 0 throws OutOfMemoryError", async () => {
    const { backend } = await openWasm({ module: fakeKernels({ alloc: 0 }) });
    const error = assertThrows(() => backend.create(1, 100), OutOfMemoryError);
    assertEquals([error.requested, error.held, backend.heldBytes], [100, 0, 0]);
    backend.dispose();
  });

  test("a request over 4 GB throws OutOfMemoryError with its size", async () => {
    const { backend } = await openWasm({ threads: 1 });
    for (const bytes of [2 ** 32, 5e9, 2 ** 53]) {
      const error = assertThrows(() => backend.create(1, bytes), OutOfMemoryError);
      assertEquals([error.requested, error.held], [bytes, 0]);
    }
    assertThrows(() => backend.create(1, 2 ** 32 - 1), OutOfMemoryError);
    for (const [n, k] of [[1 << 16, 1 << 16], [2 ** 40, 8]] as const) {
      const error = assertThrows(() => backend.weightBytes(n, k, "f32"), OutOfMemoryError);
      assertEquals(error.requested, n * k * 4);
    }
    backend.create(1, 8);
    backend.dispose();
  });

  test("temporaries that do not fit throw OutOfMemoryError", async () => {
    const { backend } = await openWasm({ module: fakeKernels({ run: 2 }) });
    backend.create(1, 8);
    assertThrows(() => backend.run({ op: "fill", out: 1, n: 1, value: 1 }), OutOfMemoryError);
    backend.dispose();
  });
});

describe("bitmap rows", () => {
  test("reads zeros where an offset, doubled, would begin anew at zero", async () => {
    const device = createDevice((await openWasm({ threads: 1 })).backend);
    const [heads, dim] = [1, 64];
    const packed = device.tensor(new Uint16Array(64 * 64).fill(0x3c00), [1, 64 * 64]);
    const meta = new Int32Array(2 * 3 * 65);
    for (let tile = 0; tile < 2 * 65; tile++) meta.set([-1, -1, -0x8000_0000], 3 * tile);
    const sizes = { kvHeads: heads, headDim: dim, kHead: 64 * 64, vHead: 64 * 64, first: 0, rows: 64 };
    const rows: CachedRows = {
      form: "bitmap",
      k: packed,
      v: packed,
      meta: device.tensor(meta, [meta.length]),
      metaHead: 3 * 65,
      vMetaAt: 3 * 65,
      ...sizes,
    };
    for (const kind of ["k", "v"] as const) {
      assertEquals((await readRows(device, rows, kind).read()).every((value) => value === 0), true);
    }
    device.dispose();
  });
});

describe("statuses of operations", () => {
  test("become typed errors; only a lost worker and an unknown status lose the device", async () => {
    const cases = [[1, TypeError, false], [3, RangeError, false], [4, DeviceLostError, true], [
      9,
      DeviceLostError,
      true,
    ]];
    for (const [run, Class, loses] of cases as [number, typeof Error, boolean][]) {
      const { backend } = await openWasm({ module: fakeKernels({ run }) });
      backend.create(1, 8);
      assertThrows(() => backend.run({ op: "fill", out: 1, n: 1, value: 1 }), Class);
      if (loses) await assertRejects(() => backend.read(1, 0, 4), DeviceLostError);
      else await backend.read(1, 0, 4);
      backend.dispose();
    }
  });
});

describe("workers", () => {
  test("that throw at the start leave the build without threads", async () => {
    const env = workersThat(`throw new Error("broken");`);
    assertEquals(await outcome({ threads: 3 }, env), [["threads", false], ["relaxed", true]]);
  });

  test("that throw when they join leave the build without threads", async () => {
    const env = workersThat(`hear(() => port.postMessage({ error: "no memory" }));`);
    assertEquals(await outcome({ threads: 2 }, env), [["threads", false], ["relaxed", true]]);
  });

  test("that exit at the start leave the build without threads", async () => {
    assertEquals(await outcome({ threads: 2 }, workersThat("leave();", 500)), [["threads", false], [
      "relaxed",
      true,
    ]]);
  });

  test("that never answer leave the build without threads after the patience", async () => {
    const begin = performance.now();
    const env = workersThat("hear(() => {});", 100);
    assertEquals(await outcome({ threads: 2 }, env), [["threads", false], ["relaxed", true]]);
    assert(performance.now() - begin < 2000);
  });

  test("that cannot be started leave the build without threads", async () => {
    const env = without({
      spawn: () => {
        throw new Error("workers are forbidden");
      },
    });
    assertEquals(await outcome({ threads: 2 }, env), [["threads", false], ["relaxed", true]]);
  });

  test("that throw later lose the device with the reason", async () => {
    const env = workersThat(
      `hear(() => { port.postMessage("ready"); setTimeout(() => port.postMessage({ error: "sick" }), 20); });`,
    );
    const { backend } = await openWasm({ threads: 2 }, env);
    backend.create(1, 8);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const error = assertThrows(() => backend.run({ op: "fill", out: 1, n: 1, value: 1 }), DeviceLostError);
    assert(error.message.includes("sick"));
    await assertRejects(() => backend.flush(), DeviceLostError);
    backend.dispose();
  });

  test("that exit later lose the device", async () => {
    const env = workersThat(`hear(() => { port.postMessage("ready"); setTimeout(leave, 20); });`);
    const { backend } = await openWasm({ threads: 2 }, env);
    let lost = false;
    await until(() => {
      try {
        backend.weightBytes(1, 1, "f32");
      } catch (error) {
        lost = error instanceof DeviceLostError;
      }
      return lost;
    });
    backend.dispose();
  });

  test("all leave when 20 devices were opened and disposed of", async () => {
    let alive = 0;
    const env = without({
      spawn(source, handlers) {
        alive++;
        let left = false;
        const leave = (): void => {
          if (!left) alive--;
          left = true;
        };
        return hostEnv.spawn(source, {
          message(data) {
            if (data === "done") leave();
            handlers.message(data);
          },
          error: handlers.error,
          exit() {
            leave();
            handlers.exit();
          },
        });
      },
    });
    for (let i = 0; i < 20; i++) {
      assertEquals(await outcome({ threads: 2 }, env), [["threads", true]]);
    }
    await until(() => alive === 0);
  });
});
