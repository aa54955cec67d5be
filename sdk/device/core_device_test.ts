import { beforeEach, describe, test } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "../testing/assert.ts";
import type { Backend } from "./backend.ts";
import { createDevice } from "./core_device.ts";
import type { Device, TensorData } from "./device.ts";
import { linear } from "./ops/linear.ts";
import { reshape } from "./ops/reshape.ts";
import { unary } from "./ops/unary.ts";
import { openReference } from "./reference/mod.ts";
import type { Tensor } from "./tensor.ts";

let backend: Backend;
let live: Map<number, number>;
let device: Device;

beforeEach(() => {
  const inner = openReference();
  live = new Map();
  backend = {
    ...inner,
    create(id, bytes, data): void {
      inner.create(id, bytes, data);
      live.set(id, bytes);
    },
    free(id): void {
      assert(live.delete(id), `buffer ${id} was freed twice`);
      inner.free(id);
    },
  };
  device = createDevice(backend);
});

const make = (d: Device, ...shape: number[]): Tensor => d.empty(shape);

describe("a device", () => {
  test("tensor() takes the element type from the array and read() copies it back", async () => {
    const cases: [TensorData, "f32" | "f16" | "i32" | "i8" | "u8"][] = [
      [Float32Array.of(1.5, -2), "f32"],
      [Uint16Array.of(0x3c00, 7), "f16"],
      [Int32Array.of(-1, 2 ** 31 - 1), "i32"],
      [Int8Array.of(-128, 127), "i8"],
      [Uint8Array.of(0, 255), "u8"],
    ];
    for (const [data, dtype] of cases) {
      const tensor = device.tensor(data, [2]);
      assertEquals(tensor.dtype, dtype);
      assertEquals(await tensor.read(dtype as "f32") as TensorData, data);
    }
  });

  test("tensor() copies a part of a larger array", async () => {
    const tensor = device.tensor(Float32Array.of(0, 1, 2, 3).subarray(1, 3), [2]);
    assertEquals(await tensor.read(), Float32Array.of(1, 2));
  });

  test("numbers tensors from 1 and never reuses a number", () => {
    const first = make(device, 1);
    first.dispose();
    assertEquals([first.id, make(device, 1).id], [1, 2]);
  });

  test("report counts bytes, peak and tensors", () => {
    const a = make(device, 10, 10);
    const b = device.empty([3], "u8");
    assertEquals([device.report.bytes, device.report.tensors], [403, 2]);
    a.dispose();
    assertEquals([device.report.bytes, device.report.peakBytes, device.report.tensors], [3, 403, 1]);
    b.dispose();
    b.dispose();
    assertEquals([device.report.bytes, device.report.tensors, live.size], [0, 0, 0]);
  });

  test("weight() frees its raw copy and, when disposed, its scales", () => {
    const plain = device.weight(new Float32Array(6), [2, 3]);
    assertEquals([plain.scales, live.size], [0, 1]);
    const scaled = device.weight(new Int8Array(6), [2, 3], Float32Array.of(1, 2));
    assertEquals([scaled.bytes, live.size, device.report.tensors], [6 + 8, 3, 2]);
    scaled.dispose();
    plain.dispose();
    assertEquals([live.size, device.report.bytes], [0, 0]);
  });

  test("weight() knows how many inputs share a scale", () => {
    const scales = new Float32Array(6);
    const groups = [
      device.weight(new Float32Array(24), [2, 12]),
      device.weight(new Uint16Array(24), [2, 12]),
      device.weight(new Int8Array(24), [2, 12], scales.subarray(0, 2)),
      device.weight(new Int8Array(24), [2, 12], scales),
      device.weight(new Uint8Array(12), [2, 12], scales.subarray(0, 2)),
      device.weight(new Uint8Array(12), [2, 12], scales),
      device.weight(new Uint8Array(0), [0, 12], scales.subarray(0, 0)),
    ].map(({ dtype, group, bytes }) => [dtype, group, bytes]);
    assertEquals(groups, [
      ["f32", 12, 96],
      ["f16", 12, 48],
      ["i8", 12, 24 + 8],
      ["i8", 4, 24 + 24],
      ["i4", 12, 12 + 8],
      ["i4", 4, 12 + 24],
      ["i4", 12, 0],
    ]);
  });

  test("weight() gives everything back when the backend fails", () => {
    const failing = createDevice({
      ...backend,
      run: () => {
        throw new Error("trap");
      },
    });
    assertThrows(() => failing.weight(new Int8Array(6), [2, 3], new Float32Array(2)), Error, "trap");
    assertEquals([live.size, failing.report.bytes, failing.report.tensors], [0, 0, 0]);
  });

  test("weight() refuses data, shapes and scales that do not fit", () => {
    assertThrows(() => device.weight(new Float32Array(5), [2, 3]), RangeError);
    assertThrows(() => device.weight(new Float32Array(0), [2, 0]), RangeError);
    assertThrows(() => device.weight(new Int8Array(6), [2, 3]), TypeError);
    assertThrows(() => device.weight(new Int8Array(6), [2, 3], new Float32Array(3)), RangeError);
    assertThrows(() => device.weight(new Float32Array(6), [2, 3], new Float32Array(2)), TypeError);
    assertThrows(() => device.weight(new Int32Array(6) as unknown as Float32Array, [2, 3]), TypeError);
    assertThrows(() => device.weight(new Int8Array(12), [2, 6], new Float32Array(0)), RangeError);
    assertThrows(() => device.weight(new Int8Array(12), [2, 6], new Float32Array(8)), RangeError);
    assertThrows(
      () => device.weight(new Int8Array(12), [2, 6], [1, 2] as unknown as Float32Array),
      TypeError,
    );
    assertThrows(() => device.weight(new Uint8Array(6), [2, 6]), TypeError, "int4");
    assertThrows(() => device.weight(new Uint8Array(12), [2, 6], new Float32Array(2)), RangeError, "6 bytes");
    assertThrows(() => device.weight(new Uint8Array(3), [2, 3], new Float32Array(2)), RangeError, "even");
    assertThrows(() => device.weight(new Uint8Array(6), [2, 6], new Float32Array(4)), RangeError, "even");
    assertEquals(live.size, 0);
  });

  test("tensor() refuses shapes and data that do not fit", () => {
    for (const shape of [[-1], [1.5], [NaN], [2 ** 53], [2 ** 30, 2 ** 30], ["2" as unknown as number]]) {
      assertThrows(() => device.tensor(new Float32Array(2), shape), RangeError);
      assertThrows(() => device.empty(shape), RangeError);
    }
    assertThrows(
      () => device.tensor(new Float32Array(5), [2, 3]),
      RangeError,
      "has 6 elements but the data has 5",
    );
    assertThrows(() => device.tensor([1, 2] as unknown as Float32Array, [2]), TypeError);
    assertThrows(() => device.tensor(new Float64Array(2) as unknown as Float32Array, [2]), TypeError);
    assertThrows(() => device.empty([2], "toString" as "f32"), TypeError);
    assertEquals([live.size, device.report.tensors], [0, 0]);
  });

  test("holds tensors without elements", async () => {
    const tensor = device.tensor(new Float32Array(0), [3, 0]);
    assertEquals([tensor.size, tensor.bytes, (await tensor.read()).length], [0, 0, 0]);
    assertEquals(unary(device, "exp", tensor).shape, [3, 0]);
    assertEquals(linear(device, make(device, 0, 4), device.weight(new Float32Array(8), [2, 4])).shape, [
      0,
      2,
    ]);
    assertEquals(make(device, 2 ** 52, 2 ** 52, 0).size, 0);
  });

  test("refuses tensors that are disposed, foreign or none at all", async () => {
    const gone = make(device, 2);
    gone.dispose();
    assertThrows(() => unary(device, "exp", gone), Error, "disposed");
    assertThrows(() => device.view(gone, [2]), Error, "disposed");
    await assertRejects(() => gone.read(), Error, "disposed");
    const other = createDevice(openReference());
    assertThrows(() => unary(device, "exp", make(other, 2)), Error, "another device");
    assertThrows(() => device.view(make(other, 2), [2]), Error, "another device");
    assertThrows(() => unary(device, "exp", {} as Tensor), TypeError);
  });

  test("read() refuses another element type", async () => {
    await assertRejects(() => device.empty([2], "i32").read(), TypeError, 'use read("i32")');
  });

  test("a shape cannot be changed from outside", () => {
    const shape = [2, 3];
    const tensor = make(device, ...shape);
    shape[0] = 9;
    assertEquals(tensor.shape, [2, 3]);
    assertThrows(() => (tensor.shape as number[]).push(1), TypeError);
  });

  test("flush() throws the reason of an aborted signal", async () => {
    await device.flush();
    const reason = new Error("enough");
    const error = await assertRejects(() => device.flush(AbortSignal.abort(reason)), Error);
    assertStrictEquals(error, reason);
    const controller = new AbortController();
    const waiting = device.flush(controller.signal);
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => waiting, Error), reason);
  });

  test("dispose() ends all tensors and scopes, twice is allowed", () => {
    const scope = device.scope();
    const tensors = [make(device, 2), make(scope, 2)];
    device.dispose();
    device.dispose();
    assertEquals([device.report.bytes, device.report.tensors], [0, 0]);
    for (const tensor of tensors) {
      assert(tensor.disposed);
      tensor.dispose();
    }
    scope.dispose();
    assertThrows(() => make(device, 2), Error, "disposed");
    assertThrows(() => make(scope, 2), Error, "disposed");
    assertEquals(device.report.tensors, 0);
  });
});

describe("a view", () => {
  test("shares the memory, which goes with the last handle in either order", async () => {
    for (const baseFirst of [true, false]) {
      const base = device.tensor(Float32Array.of(1, 2, 3, 4), [4]);
      const view = device.view(base, [2, 2]);
      assertEquals([device.report.bytes, device.report.tensors, view.id], [16, 2, base.id]);
      const [first, last] = baseFirst ? [base, view] : [view, base];
      first.dispose();
      assertEquals(await last.read(), Float32Array.of(1, 2, 3, 4));
      last.dispose();
      assertEquals([device.report.bytes, device.report.tensors, live.size], [0, 0, 0]);
    }
  });

  test("keeps the memory when a scope keeps it and frees the rest", () => {
    const scope = device.scope();
    const view = scope.keep(scope.view(make(scope, 6), [2, 3]));
    scope.dispose();
    assertEquals([view.disposed, device.report.bytes, device.report.tensors], [false, 24, 1]);
    view.dispose();
    assertEquals(live.size, 0);
  });

  test("of a tensor elsewhere leaves that tensor alone", () => {
    const base = make(device, 6);
    const scope = device.scope();
    scope.view(base, [3, 2]);
    scope.dispose();
    assertEquals([base.disposed, device.report.bytes], [false, 24]);
  });

  test("reshape() computes a size of -1 and refuses sizes that differ", () => {
    const x = make(device, 4, 6);
    assertEquals(reshape(device, x, [-1, 3]).shape, [8, 3]);
    assertThrows(() => reshape(device, x, [5, 5]), RangeError);
    assertThrows(() => reshape(device, x, [-1, 5]), RangeError);
    assertThrows(() => reshape(device, x, [-1, -1]), RangeError);
    assertThrows(() => reshape(device, make(device, 0), [-1, 0]), RangeError);
  });
});

describe("a scope", () => {
  test("frees what was made through it, except what it keeps", () => {
    const scope = device.scope();
    const kept = scope.keep(make(scope, 2));
    const freed = make(scope, 3);
    const weight = scope.weight(new Float32Array(4), [2, 2]);
    scope.dispose();
    scope.dispose();
    assertEquals([kept.disposed, freed.disposed, weight.disposed], [false, true, true]);
    assertEquals([device.report.bytes, device.report.tensors], [8, 1]);
  });

  test("keep() hands to the parent, which may free it or hand it on", () => {
    const outer = device.scope();
    const inner = outer.scope();
    const [a, b] = [inner.keep(make(inner, 1)), inner.keep(make(inner, 1))];
    inner.dispose();
    assertEquals(outer.keep(a), a);
    outer.dispose();
    assertEquals([a.disposed, b.disposed], [false, true]);
  });

  test("keep() leaves tensors of others with their owner", () => {
    const scope = device.scope();
    const inner = scope.scope();
    const mine = make(scope, 1);
    inner.keep(mine);
    inner.dispose();
    scope.dispose();
    assert(mine.disposed);
    assertThrows(() => device.scope().keep(mine), Error, "disposed");
  });

  test("frees scopes inside of it", () => {
    const outer = device.scope();
    const tensor = make(outer.scope().scope(), 5);
    outer.dispose();
    assert(tensor.disposed);
    assertEquals(live.size, 0);
  });

  test("refuses to be used after its end", () => {
    const scope = device.scope();
    scope.dispose();
    assertThrows(() => make(scope, 1), Error, "this scope");
    assertThrows(() => scope.scope(), Error, "this scope");
  });

  test("ends with the block of a using declaration", () => {
    {
      using scope = device.scope();
      make(scope, 4);
    }
    assertEquals(device.report.tensors, 0);
  });

  test("has the root device and its report", () => {
    const inner = device.scope().scope();
    assertStrictEquals(inner.root, device);
    assertStrictEquals(make(inner, 1).device, device);
    assertEquals(inner.report.bytes, 4);
  });
});
