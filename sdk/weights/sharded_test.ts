import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import type { SafetensorsEntry } from "./dtypes.ts";
import { brainsToFloats, floatsToBrains, floatsToHalves, halvesToFloats } from "./half.ts";
import { writeSafetensors } from "./safetensors.ts";
import { openSafetensorsModel } from "./sharded.ts";
import { memoryFiles, type WeightFiles } from "./source.ts";

const INDEX = "model.safetensors.index.json";
const FLOATS = random(1).normals(6);
const ENTRIES: Readonly<Record<string, SafetensorsEntry>> = {
  f32: { dtype: "F32", shape: [2, 3], data: FLOATS },
  f16: { dtype: "F16", shape: [2, 3], data: floatsToHalves(FLOATS) },
  bf16: { dtype: "BF16", shape: [2, 3], data: floatsToBrains(FLOATS) },
  norm: { dtype: "BF16", shape: [6], data: floatsToBrains(FLOATS) },
  ids: { dtype: "I32", shape: [3], data: Int32Array.of(-1, 0, 7) },
  one: { dtype: "F32", shape: [], data: Float32Array.of(5) },
  none: { dtype: "F32", shape: [0, 4], data: new Float32Array(0) },
};

const shard = (...names: string[]): Uint8Array =>
  writeSafetensors(new Map(names.map((name) => [name, ENTRIES[name]!])));
const name = (part: number, total = 2): string => `model-0000${part}-of-0000${total}.safetensors`;
const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const GOOD = {
  [INDEX]: json({
    metadata: { total_size: 1 },
    weight_map: {
      norm: name(2),
      f32: name(1),
      ids: name(2),
      f16: name(1),
      bf16: name(1),
      one: name(2),
      none: name(2),
    },
  }),
  [name(1)]: shard("f32", "f16", "bf16"),
  [name(2)]: shard("norm", "ids", "one", "none"),
};

function files(changes: Readonly<Record<string, Uint8Array | undefined>> = {}): WeightFiles {
  const all = Object.entries({ ...GOOD, ...changes }).filter((file): file is [string, Uint8Array] =>
    !!file[1]
  );
  return memoryFiles(new Map(all));
}

describe("openSafetensorsModel()", () => {
  test("reads every type from shards and from one file, as float32", async () => {
    const single = memoryFiles(new Map([["model.safetensors", shard(...Object.keys(ENTRIES))]]));
    for (const directory of [files(), single]) {
      const model = await openSafetensorsModel(directory);
      assertEquals([...model.tensors.keys()].sort(), Object.keys(ENTRIES).sort());
      assertEquals(model.tensors.get("f16")!.shape, [2, 3]);
      assertEquals(await model.floats("f32"), FLOATS);
      assertEquals(await model.floats("f16"), halvesToFloats(floatsToHalves(FLOATS)));
      assertEquals(await model.floats("norm"), brainsToFloats(floatsToBrains(FLOATS)));
      assertEquals(await model.floats("ids"), Float32Array.of(-1, 0, 7));
      assertEquals(await model.floats("one"), Float32Array.of(5));
      assertEquals(await model.floats("none"), new Float32Array(0));
      assertEquals(await model.floats("bf16", [1, 2]), brainsToFloats(floatsToBrains(FLOATS.subarray(3))));
      for (const [name, entry] of Object.entries(ENTRIES)) assertEquals(await model.read(name), entry);
      await model.close();
    }
  });

  test("gives weights without loss, or as float32 or float16", async () => {
    const model = await openSafetensorsModel(files());
    const dataOf = async (name: string, as?: "f32" | "f16") => (await model.weight(name, as && { as })).data;
    const halves = floatsToHalves(FLOATS);
    const brains = brainsToFloats(floatsToBrains(FLOATS));
    assertEquals(await dataOf("f32"), FLOATS);
    assertEquals(await dataOf("f16"), halves);
    assertEquals(await dataOf("bf16"), brains);
    assertEquals(await dataOf("f16", "f32"), halvesToFloats(halves));
    assertEquals(await dataOf("f32", "f16"), halves);
    assertEquals(await dataOf("bf16", "f16"), floatsToHalves(brains));
    assertEquals(await model.weight("f16", { rows: [1, 2] }), { data: halves.slice(3), shape: [1, 3] });
    assertEquals((await model.weight("none")).shape, [0, 4]);
  });

  test("refuses weights that are none, and names and rows that are not there", async () => {
    const model = await openSafetensorsModel(files());
    await assertRejects(() => model.weight("norm"), WeightsError, "expected a matrix");
    await assertRejects(() => model.floats("x"), WeightsError, 'tensor "x"');
    await assertRejects(() => model.read("x"), WeightsError, 'tensor "x"');
    await assertRejects(() => model.floats("f32", [0, 3]), RangeError, "it has 2 rows");
    const ints = writeSafetensors(new Map([["i", { dtype: "I8", shape: [1, 1], data: Int8Array.of(1) }]]));
    const other = await openSafetensorsModel(memoryFiles(new Map([["model.safetensors", ints]])));
    await assertRejects(() => other.weight("i"), WeightsError, "its type is I8");
  });

  test("prefers the single file and needs no index beside it", async () => {
    const model = await openSafetensorsModel(
      files({ "model.safetensors": shard("one"), [name(1)]: undefined }),
    );
    assertEquals([...model.tensors.keys()], ["one"]);
  });

  test("holds one tensor at a time, in pieces, of a file of 8 GB", async () => {
    const header = json({
      w: { dtype: "BF16", shape: [2 ** 22, 1024], data_offsets: [0, 2 ** 33] },
    });
    const start = new Uint8Array(8 + header.length);
    new DataView(start.buffer).setUint32(0, header.length, true);
    start.set(header, 8);
    let largest = 0;
    const model = await openSafetensorsModel({
      open: () =>
        Promise.resolve({
          size: start.length + 2 ** 33,
          read(offset, length) {
            largest = Math.max(largest, length);
            const bytes = new Uint8Array(length);
            bytes.set(start.subarray(offset, offset + length));
            return Promise.resolve(bytes);
          },
        }),
    });
    const { data } = await model.weight("w", { rows: [2 ** 21, 2 ** 21 + 10_000], as: "f16" });
    assertStrictEquals(data.length, 10_240_000);
    assert(largest <= 2 ** 24, `read ${largest} bytes at once`);
  });

  test("closes every file, also when one is broken", async () => {
    for (const changes of [{}, { [name(2)]: new Uint8Array(9) }]) {
      let open = 0;
      const inner = files(changes);
      const counted: WeightFiles = {
        async open(name) {
          const source = await inner.open(name);
          if (source === undefined) return undefined;
          open++;
          return { ...source, close: () => Promise.resolve(void open--) };
        },
      };
      await openSafetensorsModel(counted).then(
        (model) => model.close(),
        (error) => assert(error instanceof WeightsError),
      );
      assertEquals(open, 0);
    }
  });
});

describe("openSafetensorsModel() refuses a directory", () => {
  const index = (map: unknown): Uint8Array => json({ weight_map: map });
  const faults: readonly (readonly [string, Readonly<Record<string, Uint8Array | undefined>>, string])[] = [
    ["without weights", { [INDEX]: undefined }, "neither"],
    ["with a missing shard", { [name(2)]: undefined }, "there is no such file"],
    [
      "whose shard lacks a tensor",
      { [name(2)]: shard("norm", "ids", "one") },
      'tensor "none" but it has not',
    ],
    [
      "with a tensor in two shards",
      { [name(2)]: shard("norm", "ids", "one", "none", "f32") },
      `it is in "${name(1)}"`,
    ],
    [
      "with a tensor that the index does not list",
      { [INDEX]: index({ f32: name(1), norm: name(2) }) },
      "does not list it",
    ],
    [
      "whose shards are swapped",
      { [name(1)]: GOOD[name(2)], [name(2)]: GOOD[name(1)] },
      `it is in "${name(2)}"`,
    ],
    [
      "whose shards skip a number",
      { [INDEX]: index({ a: name(1, 3), b: name(3, 3) }) },
      `expected "${name(2, 3)}"`,
    ],
    [
      "whose shards end early",
      { [INDEX]: index({ a: name(1, 3), b: name(2, 3) }) },
      "names 2 files, expected 3",
    ],
    [
      "whose shards are of two models",
      { [INDEX]: index({ a: name(1, 3), b: name(2, 4) }) },
      "not the parts of one model",
    ],
    [
      "whose shards go beyond their count",
      { [INDEX]: index({ a: name(1, 1), b: name(2, 1) }) },
      "names 2 files, expected 1",
    ],
    [
      "whose shards are numbered from 0",
      { [INDEX]: index({ a: name(0), b: name(1) }) },
      `expected "${name(1)}"`,
    ],
    ["with an index that names a path", { [INDEX]: index({ a: "sub/a.safetensors" }) }, "without a path"],
    [
      "with an index that names a path of Windows",
      { [INDEX]: index({ a: "C:\\a.safetensors" }) },
      "without a path",
    ],
    [
      "with an index that names the folder above",
      { [INDEX]: index({ a: "../a.safetensors" }) },
      "without a path",
    ],
    ["with an index that names two dots", { [INDEX]: index({ a: "..safetensors" }) }, "without a path"],
    ["with an index that names another kind of file", { [INDEX]: index({ a: "a.bin" }) }, "ends with"],
    ["with an index that names a number", { [INDEX]: index({ a: 1 }) }, "is 1"],
    ["with an index without a map", { [INDEX]: json({}) }, "weight_map"],
    ["with an index with an empty map", { [INDEX]: index({}) }, "weight_map"],
    ["with an index whose map is a list", { [INDEX]: index(["a"]) }, "weight_map"],
    ["with an index that is a list", { [INDEX]: json([]) }, "not a JSON object"],
    ["with an index that is not JSON", { [INDEX]: new TextEncoder().encode("{") }, "not JSON"],
    ["with an index that is not UTF-8", { [INDEX]: Uint8Array.of(0xff) }, "not UTF-8"],
    ["with an index that names a tensor twice", {
      [INDEX]: new TextEncoder().encode('{"weight_map":{"a":"a.safetensors","a":"b.safetensors"}}'),
    }, "comes twice"],
    ["with an empty index", { [INDEX]: new Uint8Array(0) }, "not JSON"],
  ];
  for (const [fault, changes, words] of faults) {
    test(fault, async () => {
      await assertRejects(() => openSafetensorsModel(files(changes)), WeightsError, words);
    });
  }

  test("whose shard is cut, at every byte", async () => {
    const good = GOOD[name(1)]!;
    for (let length = 0; length < good.length; length++) {
      const cut = files({ [name(1)]: good.subarray(0, length) });
      await assertRejects(() => openSafetensorsModel(cut), WeightsError);
    }
  });

  test("whose index is cut, at every byte", async () => {
    const good = GOOD[INDEX]!;
    for (let length = 0; length < good.length; length++) {
      await assertRejects(
        () => openSafetensorsModel(files({ [INDEX]: good.subarray(0, length) })),
        WeightsError,
      );
    }
  });
});
