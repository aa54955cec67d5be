import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../testing/assert.ts";
import { attention } from "../../attention/attention.ts";
import { createDevice } from "../core_device.ts";
import type { Device } from "../device.ts";
import { openReference } from "../reference/mod.ts";
import type { Tensor } from "../tensor.ts";
import * as ops from "./mod.ts";

const device = createDevice(openReference());
const f = (...shape: number[]): Tensor => ops.full(device, shape, 1);
const i = (...shape: number[]): Tensor => device.empty(shape, "i32");
const u = (...shape: number[]): Tensor => device.empty(shape, "u8");
const w = device.weight(new Float32Array(12), [3, 4]);
const heads = { heads: 2, headDim: 4 };

/** Calls that must be refused, by what is wrong. */
const REFUSED: Readonly<Record<string, readonly [ErrorConstructor, (d: Device) => unknown]>> = {
  "linear() with rows of another width": [RangeError, (d) => ops.linear(d, f(2, 5), w)],
  "linear() of a single number": [RangeError, (d) => ops.linear(d, f(), w)],
  "linear() with a bias of another size": [RangeError, (d) => ops.linear(d, f(2, 4), w, { bias: f(4) })],
  "linear() with a residual of another size": [
    RangeError,
    (d) => ops.linear(d, f(2, 4), w, { residual: f(2, 4) }),
  ],
  "linear() with an unknown activation": [
    TypeError,
    (d) => ops.linear(d, f(2, 4), w, { activation: "tanh" as "relu" }),
  ],
  "linear() of integers": [TypeError, (d) => ops.linear(d, i(2, 4), w)],
  "linear() into another size": [RangeError, (d) => ops.linear(d, f(2, 4), w, { out: f(5) })],
  "linear() into its own input": [
    Error,
    (d) => {
      const x = f(1, 4);
      return ops.linear(d, x, d.weight(new Float32Array(16), [4, 4]), { out: ops.reshape(d, x, [4]) });
    },
  ],
  "matmul() of other widths": [RangeError, (d) => ops.matmul(d, f(2, 3), f(2, 4))],
  "matmul() of other batches": [RangeError, (d) => ops.matmul(d, f(2, 2, 3), f(3, 2, 3))],
  "matmul() of vectors": [RangeError, (d) => ops.matmul(d, f(3), f(2, 3))],
  "matmul() with an alpha that is not finite": [
    RangeError,
    (d) => ops.matmul(d, f(2, 3), f(2, 3), { alpha: NaN }),
  ],
  "layerNorm() with a weight of another size": [RangeError, (d) => ops.layerNorm(d, f(2, 3), f(2), f(3))],
  "layerNorm() with a bias of another size": [RangeError, (d) => ops.layerNorm(d, f(2, 3), f(3), f(3, 1))],
  "rmsNorm() with a weight of another size": [RangeError, (d) => ops.rmsNorm(d, f(2, 3), f(4))],
  "softmax() of a single number": [RangeError, (d) => ops.softmax(d, f())],
  "rope() of heads that do not fit": [RangeError, (d) => ops.rope(d, f(2, 7), f(2), heads)],
  "rope() of odd heads": [RangeError, (d) => ops.rope(d, f(2, 9), f(1), { heads: 1, headDim: 3 })],
  "rope() with too few frequencies": [RangeError, (d) => ops.rope(d, f(2, 8), f(1), heads)],
  "rope() with a negative start": [RangeError, (d) => ops.rope(d, f(2, 8), f(2), { ...heads, start: -1 })],
  "attend() of other batches": [RangeError, (d) => ops.attend(d, f(2, 1, 8), f(3, 1, 8), f(3, 1, 8), heads)],
  "attend() of other rows in keys and values": [
    RangeError,
    (d) => ops.attend(d, f(1, 1, 8), f(1, 2, 8), f(1, 3, 8), heads),
  ],
  "attend() of heads that do not fit": [
    RangeError,
    (d) => ops.attend(d, { tensor: f(1, 1, 8), offset: 1 }, f(1, 2, 8), f(1, 2, 8), heads),
  ],
  "attend() of matrices": [RangeError, (d) => ops.attend(d, f(1, 8), f(1, 8), f(1, 8), heads)],
  "attend() with kvHeads that do not divide heads": [
    RangeError,
    (d) => ops.attend(d, f(1, 1, 12), f(1, 2, 12), f(1, 2, 12), { heads: 3, kvHeads: 2, headDim: 4 }),
  ],
  "attend() with more keys than there are": [
    RangeError,
    (d) => ops.attend(d, f(1, 1, 8), f(1, 2, 8), f(1, 2, 8), { ...heads, keys: 3 }),
  ],
  "attend() with a mask of all keys where fewer are used": [
    RangeError,
    (d) => ops.attend(d, f(1, 1, 8), f(1, 2, 8), f(1, 2, 8), { ...heads, keys: 1, mask: u(1, 2) }),
  ],
  "attend() with lens of another batch": [
    RangeError,
    (d) => ops.attend(d, f(1, 1, 8), f(2, 2, 8), f(2, 2, 8), { ...heads, lens: i(1) }),
  ],
  "attend() with a float mask": [
    TypeError,
    (d) => ops.attend(d, f(1, 1, 8), f(1, 2, 8), f(1, 2, 8), { ...heads, mask: f(1, 2) }),
  ],
  "attend() with values of another type": [
    TypeError,
    (d) => ops.attend(d, f(1, 1, 8), ops.cast(d, f(1, 2, 8), "f16"), f(1, 2, 8), heads),
  ],
  "attention() of other widths": [RangeError, (d) => attention(d, f(2, 1, 4), f(2, 1, 8), f(2, 1, 8))],
  "attention() with values of another shape": [
    RangeError,
    (d) => attention(d, f(2, 1, 4), f(2, 3, 4), f(2, 2, 4)),
  ],
  "attention() with heads that do not divide": [
    RangeError,
    (d) => attention(d, f(3, 1, 4), f(2, 1, 4), f(2, 1, 4)),
  ],
  "unary() of an unknown kind": [TypeError, (d) => ops.unary(d, "toString" as "exp", f(2))],
  "binary() of an unknown kind": [TypeError, (d) => ops.binary(d, "pow" as "add", f(2), f(2))],
  "binary() of shapes that do not fit": [RangeError, (d) => ops.add(d, f(2, 3), f(4))],
  "binary() with a larger second tensor": [RangeError, (d) => ops.add(d, f(3), f(2, 3))],
  "binary() along the wrong axis": [RangeError, (d) => ops.mul(d, f(2, 3), f(2), { axis: "last" })],
  "embedCells() with w of another size": [RangeError, (d) => ops.embedCells(d, f(5), f(3), f(4))],
  "scaleAdd() with w of other rows": [RangeError, (d) => ops.scaleAdd(d, f(5), f(4, 3), f(4, 3))],
  "scaleAdd() with b of another shape": [RangeError, (d) => ops.scaleAdd(d, f(5), f(5, 3), f(5, 2))],
  "slice() beyond the end": [RangeError, (d) => ops.slice(d, f(2, 3), 1, 0, 4)],
  "slice() backwards": [RangeError, (d) => ops.slice(d, f(2, 3), 1, 2, 1)],
  "slice() of an axis that is not there": [RangeError, (d) => ops.slice(d, f(2, 3), 2, 0, 1)],
  "concat() of nothing": [RangeError, (d) => ops.concat(d, [], 0)],
  "concat() of other shapes": [RangeError, (d) => ops.concat(d, [f(2, 3), f(2, 4)], 0)],
  "concat() of other types": [TypeError, (d) => ops.concat(d, [f(2), i(2)], 0)],
  "transpose() with an axis twice": [RangeError, (d) => ops.transpose(d, f(2, 3), [0, 0])],
  "transpose() of five axes": [RangeError, (d) => ops.transpose(d, f(1, 1, 1, 1, 1))],
  "repeat() a negative number of times": [RangeError, (d) => ops.repeat(d, f(2), 0, -1)],
  "gather() by floats": [TypeError, (d) => ops.gather(d, f(2), f(2))],
  "gather() from a single number": [RangeError, (d) => ops.gather(d, f(), i(2))],
  "scatter() of other rows": [RangeError, (d) => ops.scatter(d, f(2, 3), i(2), f(5, 4))],
  "scatter() into another type": [TypeError, (d) => ops.scatter(d, f(2), i(2), u(5))],
  "groupMean() of groups of 0": [RangeError, (d) => ops.groupMean(d, f(2, 3, 4), 0)],
  "groupMean() with counts that do not fit": [
    RangeError,
    (d) => ops.groupMean(d, f(2, 3, 4), 2, { counts: i(1) }),
  ],
  "reduce() of rows without columns": [RangeError, (d) => ops.reduce(d, "max", f(2, 0))],
  "reduce() of an unknown kind": [TypeError, (d) => ops.reduce(d, "median" as "mean", f(2, 2))],
  "topk() of more than there are": [RangeError, (d) => ops.topk(d, f(2, 3), 4)],
  "scan() of bytes": [TypeError, (d) => ops.scan(d, u(2))],
  "scan() of a single number": [RangeError, (d) => ops.scan(d, f())],
  "compact() of floats": [TypeError, (d) => ops.compact(d, f(2))],
  "compact() of a single number": [RangeError, (d) => ops.compact(d, i())],
  "compact() with a negative capacity": [RangeError, (d) => ops.compact(d, i(2), { capacity: -1 })],
  "sample() of integers": [TypeError, (d) => ops.sample(d, i(2))],
  "sample() of rows without columns": [RangeError, (d) => ops.sample(d, f(2, 0))],
  "sample() at temperature 0": [RangeError, (d) => ops.sample(d, f(2), { temperature: 0 })],
  "sample() at a temperature that is too small": [
    RangeError,
    (d) => ops.sample(d, f(2), { temperature: 1e-40 }),
  ],
  "sample() at no temperature": [RangeError, (d) => ops.sample(d, f(2), { temperature: NaN })],
  "sample() with a negative seed": [RangeError, (d) => ops.sample(d, f(2), { seed: -1 })],
  "sample() with half a draw": [RangeError, (d) => ops.sample(d, f(2), { draw: 0.5 })],
  "cast() between types without a conversion": [TypeError, (d) => ops.cast(d, u(2), "f16")],
  "fill() of integers": [TypeError, (d) => ops.fill(d, i(2), 0)],
};

describe("operations refuse", () => {
  for (const [name, [errorClass, call]] of Object.entries(REFUSED)) {
    test(name, () => {
      const error = assertThrows(() => call(device), errorClass);
      assert(/^Cannot (run|reshape) .*[^.]$/.test(error.message), error.message);
    });
  }
});

describe("operations without elements", () => {
  test("do nothing and give the right shapes", () => {
    using s = device.scope();
    const shapes = [
      ops.linear(s, f(0, 4), w),
      ops.linear(s, f(2, 4), s.weight(new Float32Array(0), [0, 4])),
      ops.matmul(s, f(0, 2, 3), f(1, 4, 3)),
      ops.layerNorm(s, f(2, 0), f(0), f(0)),
      ops.softmax(s, f(0, 5)),
      ops.rope(s, f(0, 8), f(2), heads),
      ops.attend(s, f(0, 3, 8), f(1, 2, 8), f(1, 2, 8), heads),
      ops.attend(s, f(1, 0, 8), f(1, 2, 8), f(1, 2, 8), heads),
      attention(s, f(2, 0, 4), f(2, 3, 4), f(2, 3, 4)).out,
      ops.embedCells(s, f(0), f(3), f(3)),
      ops.slice(s, f(2, 3), 1, 3),
      ops.concat(s, [f(0, 3), f(2, 3)], 0),
      ops.transpose(s, f(0, 3)),
      ops.repeat(s, f(2), 0, 0),
      ops.gather(s, f(4, 3), i(0)),
      ops.groupMean(s, f(2, 0, 3), 4),
      ops.reduce(s, "max", f(0, 5)),
      ops.topk(s, f(2, 3), 0).values,
      ops.cast(s, f(0), "f16"),
      ops.scan(s, f(3, 0)),
      ops.compact(s, i(0, 4)).indices,
      ops.compact(s, i(2, 0)).counts,
      ops.compact(s, i(2, 3), { capacity: 0 }).indices,
      ops.sample(s, f(0, 4)),
      ops.sample(s, f(0, 0)),
    ].map((x) => x.shape);
    assertEquals(shapes, [
      [0, 3],
      [2, 0],
      [0, 2, 4],
      [2, 0],
      [0, 5],
      [0, 8],
      [0, 3, 8],
      [1, 0, 8],
      [2, 0, 4],
      [0, 3],
      [2, 0],
      [2, 3],
      [3, 0],
      [0],
      [0, 3],
      [2, 0, 3],
      [0],
      [2, 0],
      [0],
      [3, 0],
      [0, 4],
      [2],
      [2, 0],
      [0],
      [0],
    ]);
  });

  test("give empty lists for flags that are not there", async () => {
    const { indices, counts } = ops.compact(device, i(2, 0), { capacity: 2 });
    assertEquals([...await indices.read("i32"), ...await counts.read("i32")], [-1, -1, -1, -1, 0, 0]);
  });

  test("give zeros for sums over nothing", async () => {
    assertEquals(await ops.matmul(device, f(2, 0), f(1, 0)).read(), new Float32Array(2));
    const { out, lse } = attention(device, f(1, 2, 1), f(1, 0, 1), f(1, 0, 1), { lse: true });
    assertEquals([...await out.read(), ...await lse.read()], [0, 0, -Infinity, -Infinity]);
  });
});
