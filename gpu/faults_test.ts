import { describe, test } from "node:test";
import { createDevice } from "../sdk/device/core_device.ts";
import { DeviceLostError, OutOfMemoryError } from "../sdk/device/errors.ts";
import { fill } from "../sdk/device/ops/fill.ts";
import { linear } from "../sdk/device/ops/linear.ts";
import { reduce } from "../sdk/device/ops/reduce.ts";
import { reshape } from "../sdk/device/ops/reshape.ts";
import { unary } from "../sdk/device/ops/unary.ts";
import { binary } from "../sdk/device/ops/binary.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../sdk/testing/assert.ts";
import { changedGPU, gpu, replace } from "./_test_gpu.ts";
import { openWebGPU } from "./open_webgpu.ts";

const INFO = { vendor: "", architecture: "", device: "", description: "Imagined GPU" };

/** An adapter that exists on paper only. */
function imagined(parts: Partial<Record<keyof GPUAdapter, unknown>>): GPU {
  const adapter = { info: INFO, features: new Set(), limits: {}, ...parts };
  return { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
}

describe("openWebGPU()", () => {
  test("refuses where there is no adapter", async () => {
    const none = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
    await assertRejects(() => openWebGPU({ gpu: none }), Error, "no adapter");
  });

  test("refuses a null backend by its name", async () => {
    const nothing = imagined({ info: { ...INFO, device: "null-backend" } });
    await assertRejects(() => openWebGPU({ gpu: nothing, software: true }), Error, "null backend");
  });

  test("refuses a software GPU unless it is asked for", async () => {
    const software = imagined({ info: { ...INFO, description: "llvmpipe (LLVM 15)" } });
    await assertRejects(() => openWebGPU({ gpu: software }), Error, "slower than WASM");
  });

  test("asks with fewer limits when a request fails, and tells all refusals in the end", async () => {
    const asked: (readonly string[])[] = [];
    const strict = imagined({
      limits: { maxBufferSize: 1 << 28, maxStorageBuffersInVertexStage: 0 },
      requestDevice({ requiredLimits = {} }: GPUDeviceDescriptor) {
        asked.push(Object.keys(requiredLimits));
        return Promise.reject(new TypeError(`refusal ${asked.length}`));
      },
    });
    await assertRejects(() => openWebGPU({ gpu: strict }), Error, "refusal 3");
    assert(asked[0]!.includes("maxBufferSize") && !asked[0]!.includes("maxStorageBuffersInVertexStage"));
    assert(asked[1]!.includes("maxStorageBuffersInVertexStage"));
    assertEquals(asked[2], []);
  });

  test("stops when it is aborted", async () => {
    const reason = new Error("enough");
    await assertRejects(
      () => openWebGPU({ gpu: imagined({}), signal: AbortSignal.abort(reason) }),
      Error,
      "enough",
    );
  });
});

if (gpu) describeFaults(gpu);

function describeFaults(real: GPU): void {
  const open = (change: Parameters<typeof changedGPU>[1] = {}) =>
    openWebGPU({ software: true, gpu: changedGPU(real, change) });
  const two = () => Float32Array.of(1, 2);

  describe("the WebGPU device", () => {
    test("makes do with an adapter without features and with the least limits", async () => {
      const backend = await open({
        adapter(adapter) {
          replace(adapter, "features", new Set());
          replace(adapter, "limits", {
            maxBufferSize: 1 << 28,
            maxStorageBufferBindingSize: 1 << 27,
            maxComputeWorkgroupStorageSize: 1 << 14,
            maxComputeInvocationsPerWorkgroup: 256,
            maxComputeWorkgroupSizeX: 256,
          });
        },
      });
      const device = createDevice(backend);
      assertEquals(device.report.variants[0], "16 KiB workgroups");
      const x = device.tensor(new Float32Array(128 * 64).fill(1), [128, 64]);
      const out = await linear(device, x, device.weight(new Float32Array(64 * 64).fill(2), [64, 64])).read();
      assertEquals([out[0], out.at(-1)], [128, 128]);
      device.dispose();
    });

    test("is refused when known answers come out wrong", async () => {
      await assertRejects(
        () =>
          open({
            device(device) {
              // A GPU whose memory holds something else than what was written.
              const write = device.queue.writeBuffer.bind(device.queue);
              replace(
                device.queue,
                "writeBuffer",
                (buffer: GPUBuffer, offset: number, data: Uint8Array, ...rest: number[]) => {
                  const garbage = data instanceof Uint8Array
                    ? data.map((byte, i) => i % 4 === 2 ? 7 : byte)
                    : data;
                  write(buffer, offset, garbage as Uint8Array<ArrayBuffer>, ...rest as []);
                },
              );
            },
          }),
        Error,
        "computes wrong",
      );
    });

    test("frees tensors that recorded work still needs, more than may lie idle", async () => {
      using device = createDevice(await open());
      // Seven times 64 MiB, none of which is in use any more when the work is submitted.
      const tensors = Array.from({ length: 7 }, () => fill(device, device.empty([1 << 24]), 3));
      const sum = reduce(device, "sum", reshape(device, tensors[6]!, [1 << 12, 1 << 12]));
      for (const tensor of tensors) tensor.dispose();
      assertEquals((await sum.read())[0], 3 * (1 << 12));
    });

    test("counts as lost when a shader does not compile", async () => {
      let broken = false;
      const backend = await open({
        device(device) {
          const make = device.createShaderModule.bind(device);
          replace(
            device,
            "createShaderModule",
            (descriptor: GPUShaderModuleDescriptor) =>
              make(broken ? { ...descriptor, code: "fn main( {" } : descriptor),
          );
        },
      });
      const device = createDevice(backend);
      broken = true;
      await assertRejects(
        async () => await unary(device, "tanh", device.tensor(two(), [2])).read(),
        DeviceLostError,
      );
      device.dispose();
    });

    test("counts as lost when the driver finds a command invalid", async () => {
      let mistaken = false;
      const backend = await open({
        device(device) {
          const make = device.createBuffer.bind(device);
          // A buffer that may not be bound.
          replace(
            device,
            "createBuffer",
            (descriptor: GPUBufferDescriptor) =>
              make(
                mistaken && (descriptor.usage & 0x80) !== 0
                  ? { ...descriptor, usage: 0x4 | 0x8 }
                  : descriptor,
              ),
          );
        },
      });
      const device = createDevice(backend);
      mistaken = true;
      await assertRejects(
        async () => await unary(device, "neg", device.tensor(new Float32Array(5000), [5000])).read(),
        DeviceLostError,
        "refused a command",
      );
      device.dispose();
    });

    test("refuses a buffer beyond the limit at once, with the sizes", async () => {
      const device = createDevice(await open());
      const held = device.tensor(two(), [2]);
      const error = assertThrows(() => device.empty([2 ** 40]), OutOfMemoryError);
      assertEquals(error.requested, 2 ** 42);
      assert(error.held >= held.bytes);
      assertEquals(await unary(device, "neg", held).read(), Float32Array.of(-1, -2));
      device.dispose();
    });

    test("tells that the GPU is out of memory when it is read, and goes on", async () => {
      let full = false;
      const backend = await open({
        device(device) {
          const pop = device.popErrorScope.bind(device);
          const push = device.pushErrorScope.bind(device);
          const filters: string[] = [];
          class GPUOutOfMemoryError {
            readonly message = "no room";
          }
          replace(device, "pushErrorScope", (filter: GPUErrorFilter) => {
            filters.push(filter);
            push(filter);
          });
          replace(device, "popErrorScope", async () => {
            const failed = filters.pop() === "out-of-memory" && full;
            const error = await pop();
            return failed ? new GPUOutOfMemoryError() : error;
          });
        },
      });
      const device = createDevice(backend);
      full = true;
      const x = device.tensor(new Float32Array(9000), [9000]);
      full = false;
      const error = await assertRejects(() => x.read(), OutOfMemoryError, "no room");
      assert(error.requested >= 36_000);
      x.dispose();
      assertEquals(await device.tensor(two(), [2]).read(), two());
      device.dispose();
    });

    test("counts as lost when it is destroyed in the middle", async () => {
      let raw: GPUDevice | undefined;
      const backend = await open({ device: (device) => void (raw = device) });
      const device = createDevice(backend);
      const x = unary(device, "neg", device.tensor(two(), [2]));
      raw!.destroy();
      await assertRejects(() => x.read(), DeviceLostError);
      assert(backend.lost instanceof DeviceLostError);
      assertThrows(() => device.tensor(two(), [2]), DeviceLostError);
      device.dispose();
    });

    test("counts as lost when a readback cannot be mapped", async () => {
      let refuse = false;
      const backend = await open({
        device(device) {
          const make = device.createBuffer.bind(device);
          replace(device, "createBuffer", (descriptor: GPUBufferDescriptor) => {
            const buffer = make(descriptor);
            if (refuse) replace(buffer, "mapAsync", () => Promise.reject(new Error("not today")));
            return buffer;
          });
        },
      });
      const device = createDevice(backend);
      refuse = true;
      await assertRejects(
        () => device.tensor(new Float32Array(30_000), [30_000]).read(),
        DeviceLostError,
        "not today",
      );
      device.dispose();
    });

    test("computes with tensors larger than a binding", async () => {
      const device = createDevice(
        await openWebGPU({ software: true, gpu: real, caps: { maxBinding: 1 << 14 } }),
      );
      const n = 10_000;
      const a = Float32Array.from({ length: n }, (_, i) => i);
      const sum = await binary(device, "add", device.tensor(a, [n]), device.tensor(a, [n])).read();
      assertEquals(sum.findIndex((value, i) => value !== 2 * i), -1);
      device.dispose();
    });

    test("says what is too wide for a binding", async () => {
      const device = createDevice(
        await openWebGPU({ software: true, gpu: real, caps: { maxBinding: 1 << 14 } }),
      );
      const x = device.tensor(new Float32Array(2 * 5000), [2, 5000]);
      assertThrows(
        () => linear(device, x, device.weight(new Float32Array(5000), [1, 5000])),
        RangeError,
        "20000 bytes",
      );
      device.dispose();
    });

    test("folds dispatches of more than 65,535 workgroups", async () => {
      const device = createDevice(await open());
      const n = 65_536 * 256 + 3;
      const out = await unary(device, "neg", device.tensor(new Float32Array(n).fill(3), [n])).read();
      assertEquals(out.findIndex((value) => value !== -3), -1);
      device.dispose();
    });

    test("is disposed of twice without harm, and not used after", async () => {
      const backend = await open();
      const device = createDevice(backend);
      const x = device.tensor(two(), [2]);
      const pending = x.read();
      device.dispose();
      device.dispose();
      await assertRejects(() => pending, Error, "disposed");
      assertThrows(() => device.tensor(two(), [2]), Error, "disposed");
      assertThrows(() => backend.create(9, 4), Error, "disposed");
      assertEquals(backend.deviceBytes, 0);
    });

    test("gives buffers back to its pool and takes them again", async () => {
      const backend = await open();
      const device = createDevice(backend);
      const round = async (): Promise<number> => {
        const scope = device.scope();
        const x = scope.tensor(new Float32Array(50_000), [50_000]);
        await unary(scope, "neg", unary(scope, "relu", x)).read();
        scope.dispose();
        return backend.deviceBytes;
      };
      await round();
      const bytes = await round();
      for (let i = 0; i < 20; i++) assertEquals(await round(), bytes);
      device.dispose();
    });

    test("lives beside another one", async () => {
      const [one, other] = [createDevice(await open()), createDevice(await open())];
      const [x, y] = [one.tensor(two(), [2]), other.tensor(two(), [2])];
      assertThrows(() => binary(one, "add", x, y), Error, "another device");
      one.dispose();
      assertEquals(await unary(other, "neg", y).read(), Float32Array.of(-1, -2));
      other.dispose();
    });
  });
}
