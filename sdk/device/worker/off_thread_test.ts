import { describe, test } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "../../testing/assert.ts";
import { mortal } from "../_mortal_test_backend.ts";
import type { Backend } from "../backend.ts";
import { createDevice } from "../core_device.ts";
import { DeviceLostError, OutOfMemoryError, WeightsError } from "../errors.ts";
import { openDevice } from "../open_device.ts";
import { matmul } from "../ops/mod.ts";
import { openReference } from "../reference/mod.ts";
import { openOffThread } from "./off_thread.ts";
import { packError, type Request, type Response, unpackError } from "./protocol.ts";
import { type OpenBackend, serveBackend } from "./serve.ts";
import { type Spawned, spawnWorker } from "./spawn.ts";

const PORT =
  `const port = typeof self === "object" ? self : process.getBuiltinModule("node:worker_threads").parentPort;
const leave = () => typeof close === "function" ? close() : process.exit();
const hear = (f) => port.on ? port.on("message", f) : port.onmessage = (event) => f(event.data);
const opened = { kind: "opened", device: "reference", report: { adapter: "none", features: [], variants: [] }, tried: [], panel: 1 };
`;

/** A backend whose worker runs a script. */
function openScript(script: string, signal?: AbortSignal): Promise<Backend> {
  const host = {
    spawnServer: (handlers: Parameters<typeof spawnWorker>[1]) =>
      Promise.resolve(spawnWorker(PORT + script, handlers)),
    avoid: () => Promise.resolve({}),
    spawn: spawnWorker,
    load: () => Promise.reject(new Error("no builds")),
  };
  return openOffThread(host, { signal }, []);
}

/** A backend whose other side is in this thread, behind copied messages. */
function openHere(open: OpenBackend = () => Promise.resolve(openReference())): Promise<Backend> {
  return openOffThread(
    {
      spawnServer(handlers) {
        let gone = false;
        const serve = serveBackend({
          post: (response: Response) =>
            setTimeout(() => gone || handlers.message(structuredClone(response)), 0),
          close() {
            gone = true;
            setTimeout(() => handlers.exit(), 0);
          },
        }, open);
        const spawned: Spawned = {
          post(message, transfer = []) {
            const copy = structuredClone(message, { transfer }) as Request;
            setTimeout(() => serve(copy), 0);
          },
          terminate: () => gone = true,
          hold() {},
        };
        return Promise.resolve(spawned);
      },
      avoid: () => Promise.resolve({}),
      spawn: spawnWorker,
      load: () => Promise.reject(new Error("no builds")),
    },
    {},
    [],
  );
}

/** The reference device, except that `create` refuses more than 1 KiB. */
const small: OpenBackend = () => {
  const backend = openReference();
  return Promise.resolve({
    ...backend,
    create(id, bytes, data) {
      if (bytes > 1024) throw new OutOfMemoryError("Too much", { requested: bytes, held: 77 });
      backend.create(id, bytes, data);
    },
  });
};

describe("an off-thread device", () => {
  test("leaves the caller's event loop free while it computes", async () => {
    const device = await openDevice({ prefer: "wasm", offThread: true, threads: 2 });
    assert(device.report.adapter.endsWith("off-thread"));
    const size = 512;
    const a = device.tensor(new Float32Array(size * size).fill(1), [1, size, size]);
    let ticks = 0;
    let worst = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      ticks++;
      worst = Math.max(worst, performance.now() - last);
      last = performance.now();
    }, 5);
    const begin = performance.now();
    // One matrix product of about half a second, then one queued call at a time.
    const long = device.tensor(new Float32Array(8 * size * size).fill(1), [8, size, size]);
    const results = [];
    while (performance.now() - begin < 500) {
      results.push(matmul(device, long, device.tensor(new Float32Array(8 * size * size), [8, size, size])));
      results.push(matmul(device, a, a));
      await device.flush();
    }
    assertEquals((await results[1]!.read())[0], size);
    clearInterval(timer);
    const possible = (performance.now() - begin) / 5;
    assert(ticks > possible / 4, `${ticks} ticks of about ${possible}, longest gap ${worst} ms`);
    device.dispose();
  });

  test("never runs far ahead of the worker when the caller flushes", async () => {
    const device = await openDevice({ prefer: "wasm", offThread: true, threads: 1 });
    const a = device.tensor(new Float32Array(256 * 256), [1, 256, 256]);
    const begin = performance.now();
    while (performance.now() - begin < 300) {
      matmul(device, a, a).dispose();
      await device.flush();
    }
    const queued = performance.now();
    await a.read();
    const behind = performance.now() - queued;
    assert(behind < 200, `${behind} ms of work ahead`);
    device.dispose();
  });

  test("moves large data in a fraction of a second", async () => {
    const device = await openDevice({ prefer: "wasm", offThread: true, threads: 1 });
    const begin = performance.now();
    const x = device.tensor(new Float32Array(4 << 20).fill(3), [4 << 20]);
    assertEquals((await x.read())[4_000_000], 3);
    const ms = performance.now() - begin;
    assert(ms < 1000, `${ms} ms for 16 MiB there and back`);
    device.dispose();
  });

  test("packs weights into as many bytes as the device in this thread", async () => {
    for (const prefer of ["wasm", "reference"] as const) {
      const here = await openDevice({ prefer, threads: 1 });
      const there = await openDevice({ prefer, threads: 1, offThread: true });
      for (const [n, k] of [[1, 1], [7, 3], [8, 5], [9, 64], [130, 33]] as const) {
        const bytes = [here, there].flatMap((device) => [
          device.weight(new Float32Array(n * k), [n, k]).bytes,
          device.weight(new Uint16Array(n * k), [n, k]).bytes,
          device.weight(new Int8Array(n * k), [n, k], new Float32Array(n)).bytes,
          device.weight(new Uint8Array(n * k), [n, 2 * k], new Float32Array(n)).bytes,
        ]);
        assertEquals(bytes.slice(0, 4), bytes.slice(4), `${prefer} ${n} x ${k}`);
      }
      here.dispose();
      there.dispose();
    }
  });

  test("takes a module compiled ahead", async () => {
    const { hostEnv } = await import("../../../wasm/mod.ts");
    const module = await hostEnv.compile(
      Uint8Array.from(atob(await hostEnv.load("simd")), (c) => c.charCodeAt(0)),
    );
    const device = await openDevice({ offThread: true, wasm: module });
    assertEquals(await device.tensor(new Float32Array([4]), [1]).read(), new Float32Array([4]));
    device.dispose();
  });

  test("reports what was tried in the worker when nothing opens", async () => {
    await assertRejects(
      () => openDevice({ offThread: true, wasm: new WebAssembly.Module(EMPTY) }),
      Error,
      "wasm",
    );
  });
});

const EMPTY = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

describe("openOffThread()", () => {
  test("keeps data as it was when the call was made", async () => {
    const backend = await openHere();
    const data = new Float32Array([1, 2, 3, 4]);
    backend.create(1, 8, data.subarray(1, 3));
    data.fill(9);
    const more = new Float32Array([5]);
    backend.write(1, 4, more);
    more.fill(9);
    assertEquals(new Float32Array(await backend.read(1, 0, 8)), new Float32Array([2, 5]));
    assertEquals(data.length, 4);
    backend.dispose();
  });

  test("passes on what the backend says of itself", async () => {
    const report = {
      adapter: "a GPU",
      features: ["shader-f16"],
      variants: ["f16"],
      measured: { readbackMs: 11, bytesPerSecond: 1e9 },
    };
    const device = createDevice(await openHere(() => Promise.resolve({ ...openReference(), report })));
    const { adapter, features, variants, measured } = device.report;
    assertEquals([adapter, features, variants], ["a GPU, off-thread", report.features, report.variants]);
    assertEquals(measured, report.measured);
    device.dispose();
  });

  test("rejects the next read with the failure's class and fields, then works on", async () => {
    const backend = await openHere(small);
    backend.create(1, 8, new Float32Array([1, 2]));
    backend.create(2, 5000);
    backend.run({ op: "fill", out: 2, n: 1, value: 1 });
    const error = await assertRejects(() => backend.read(1, 0, 8), OutOfMemoryError, "Too much");
    assertEquals([error.requested, error.held], [5000, 77]);
    backend.free(2);
    assertEquals(new Float32Array(await backend.read(1, 0, 8)), new Float32Array([1, 2]));
    await backend.flush();
    backend.dispose();
  });

  test("rejects all reads that were under way when an operation before them failed", async () => {
    const backend = await openHere(small);
    backend.create(1, 8);
    backend.create(2, 5000);
    const reads = await Promise.allSettled([
      backend.read(1, 0, 8),
      backend.read(1, 0, 8),
      backend.read(2, 0, 8),
    ]);
    for (const read of reads) assertInstanceOf(read.status === "rejected" && read.reason, OutOfMemoryError);
    assertEquals((await backend.read(1, 0, 8)).byteLength, 8);
    backend.dispose();
  });

  test("rejects a flush after a failure was heard of", async () => {
    const backend = await openHere(small);
    backend.create(2, 5000);
    await backend.flush().catch(() => {});
    backend.create(3, 5000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assertRejects(() => backend.flush(), OutOfMemoryError);
    await backend.flush();
    backend.dispose();
  });

  test("rejects what is pending when it is disposed of, and refuses what follows", async () => {
    const backend = await openHere();
    backend.create(1, 8);
    const reading = backend.read(1, 0, 8);
    backend.dispose();
    backend.dispose();
    await assertRejects(() => reading, Error, "disposed");
    assertThrows(() => backend.create(2, 8), Error, "disposed");
    await assertRejects(() => backend.flush(), Error, "disposed");
  });

  test("throws DeviceLostError when the worker fails or ends at the start", async () => {
    await assertRejects(() => openScript(`throw new Error("broken");`), DeviceLostError);
    await assertRejects(() => openScript("leave();"), DeviceLostError);
  });

  test("throws the signal's reason when it is aborted while the worker never answers", async () => {
    const controller = new AbortController();
    const opening = openScript("hear(() => {});", controller.signal);
    const reason = new Error("no time");
    setTimeout(() => controller.abort(reason), 20);
    assertEquals(await assertRejects(() => opening, Error), reason);
  });

  test("tells the worker what to avoid, and lets it leave by itself when it is aborted", async () => {
    const said: Request[] = [];
    const controller = new AbortController();
    const opening = openOffThread(
      {
        spawnServer: ({ exit }) =>
          Promise.resolve({
            post(message) {
              said.push(message as Request);
              if ((message as Request).kind === "open") controller.abort();
              else queueMicrotask(exit);
            },
            terminate: () => assert(false, "The worker was terminated"),
            hold() {},
          }),
        avoid: () => Promise.resolve({ webgpu: "Not today" }),
        spawn: spawnWorker,
        load: () => Promise.reject(new Error("no builds")),
      },
      { prefer: "wasm", threads: 1, signal: controller.signal },
      [],
    );
    await assertRejects(() => opening, DOMException);
    assertEquals(said.map(({ kind }) => kind), ["open", "dispose"]);
    const options = { prefer: "wasm", threads: 1, wasm: undefined, avoid: { webgpu: "Not today" } } as const;
    assertEquals(said[0], { kind: "open", options });
  });

  test("rejects pending reads with DeviceLostError when the worker ends, and every later call", async () => {
    const backend = await openScript(
      `hear(({ kind }) => { if (kind === "open") port.postMessage(opened); else leave(); });`,
    );
    backend.create(1, 8);
    await assertRejects(() => backend.read(1, 0, 8), DeviceLostError);
    assertThrows(() => backend.create(2, 8), DeviceLostError);
    await assertRejects(() => backend.flush(), DeviceLostError);
    backend.free(1);
    backend.dispose();
  });
});

describe("a backend that is lost in its worker", () => {
  test("rejects all that waits, refuses what follows and counts as lost", async () => {
    const inner = mortal(openReference(), { after: 1 });
    const backend = await openHere(() => Promise.resolve(inner));
    backend.create(1, 8);
    assertEquals(backend.lost, undefined);
    const reads = [1, 2, 3].map(() => backend.read(1, 0, 8));
    await reads[0];
    for (const read of reads.slice(1)) await assertRejects(() => read, DeviceLostError, "The test lost");
    assertInstanceOf(backend.lost, DeviceLostError);
    assertThrows(() => backend.create(2, 8), DeviceLostError, "The test lost");
    await assertRejects(() => backend.flush(), DeviceLostError);
    backend.free(1);
    backend.dispose();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals([inner.disposed, inner.buffers], [true, 0]);
  });

  test("counts as lost when an operation told of it and nobody read", async () => {
    const inner = mortal(openReference());
    const backend = await openHere(() => Promise.resolve(inner));
    backend.create(1, 8);
    await backend.read(1, 0, 8);
    inner.die();
    backend.run({ op: "fill", out: 1, n: 2, value: 1 });
    await backend.flush().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertInstanceOf(backend.lost, DeviceLostError);
    backend.dispose();
  });
});

describe("packError()", () => {
  test("keeps class, message and fields through a message", () => {
    const errors = [
      new TypeError("a"),
      new RangeError("b"),
      new DeviceLostError("c"),
      new WeightsError("d"),
      new OutOfMemoryError("e", { requested: 1, held: 2 }),
      new Error("f"),
    ];
    for (const error of errors) {
      const again = unpackError(structuredClone(packError(error)));
      assertEquals([again.constructor, again.message, { ...again }], [error.constructor, error.message, {
        ...error,
      }]);
    }
    assertEquals(unpackError(packError("text")).message, "text");
  });
});
