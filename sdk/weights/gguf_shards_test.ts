import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertEquals, assertRejects } from "../testing/assert.ts";
import { entry, ggufFile, STRING, text, U16, U32, u32 } from "./_gguf_test_file.ts";
import { openGgufModel } from "./gguf_shards.ts";
import { memoryFiles, type WeightFiles } from "./source.ts";

const u16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer);
const name = (part: number, total = 3): string => `m-0000${part}-of-0000${total}.gguf`;

/** Part `no` (from 0) of three, with the tensors named. */
function part(no: number, tensors: string, { count = 3, total = 3 } = {}): Uint8Array {
  return ggufFile({
    entries: [
      entry("split.no", U16, u16(no)),
      entry("split.count", U16, u16(count)),
      entry("split.tensors.count", U32, u32(total)),
      ...(no === 0 ? [entry("general.name", STRING, text("first"))] : []),
    ],
    tensors: [...tensors].map((name) => ({
      name,
      axes: [2, 1],
      type: 0,
      data: new Uint8Array(Float32Array.of(no, name.charCodeAt(0)).buffer),
    })),
  });
}

const GOOD: readonly [string, Uint8Array][] = [
  [name(1), part(0, "a")],
  [name(2), part(1, "b")],
  [name(3), part(2, "c")],
];

/** The good files with changes; undefined removes one. */
function files(changes: Readonly<Record<string, Uint8Array | undefined>> = {}): WeightFiles {
  const all = new Map<string, Uint8Array>(GOOD);
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === undefined) all.delete(name);
    else all.set(name, bytes);
  }
  return memoryFiles(all);
}

describe("openGgufModel()", () => {
  test("joins the tensors of all parts, with the metadata of the first", async () => {
    const model = await openGgufModel(files(), name(1));
    assertEquals([...model.tensors.keys()], ["a", "b", "c"]);
    assertEquals(model.metadata.text("general.name"), "first");
    assertEquals(await model.floats("b"), Float32Array.of(1, 98));
    assertEquals((await model.weight("c")).data, Float32Array.of(2, 99));
    await assertRejects(() => model.floats("d"), WeightsError);
    await model.close();
  });

  test("opens a model of one file by any name", async () => {
    const one = ggufFile({ tensors: [{ name: "a", axes: [1], type: 0, data: new Uint8Array(4) }] });
    for (const name of ["model.gguf", "x-00001-of-00001.gguf"]) {
      assertEquals((await openGgufModel(memoryFiles(new Map([[name, one]])), name)).tensors.size, 1);
    }
  });

  test("closes what it opened when a later part is broken", async () => {
    let open = 0;
    const inner = files({ [name(3)]: new Uint8Array(5) });
    const counted: WeightFiles = {
      async open(name) {
        const source = await inner.open(name);
        open++;
        return source && { ...source, close: () => Promise.resolve(void open--) };
      },
    };
    await assertRejects(() => openGgufModel(counted, name(1)), WeightsError);
    assertEquals(open, 0);
  });

  const refuses = (fault: string, files: WeightFiles, words: string, first = name(1)): void => {
    test(`refuses a model ${fault}`, async () => {
      await assertRejects(() => openGgufModel(files, first), WeightsError, words);
    });
  };
  refuses("that is not there", files(), "no such file", "other.gguf");
  refuses("of which the first part is missing", files({ [name(1)]: undefined }), "part 1 of 3");
  refuses("of which a part is missing", files({ [name(2)]: undefined }), "part 2 of 3");
  refuses(
    "whose parts are out of order",
    files({ [name(2)]: GOOD[2]![1], [name(3)]: GOOD[1]![1] }),
    "out of order",
  );
  refuses("of which a part is there twice", files({ [name(3)]: GOOD[1]![1] }), "out of order");
  refuses("that is opened by a later part", files(), "expected part 1", name(2));
  refuses("of no parts by its name", files(), "of 0", "m-00001-of-00000.gguf");
  refuses(
    "with a part of another model",
    files({ [name(2)]: part(1, "b", { count: 2 }) }),
    "of 2 files, expected 3",
  );
  refuses(
    "whose part is opened alone",
    memoryFiles(new Map([["m.gguf", GOOD[0]![1]]])),
    "of 3 files, expected 1",
    "m.gguf",
  );
  refuses("with a tensor in two parts", files({ [name(3)]: part(2, "b") }), 'tensor "b" is in more than one');
  refuses(
    "that has fewer tensors than it says",
    files({ [name(3)]: part(2, "") }),
    "have 2 tensors, expected 3",
  );
  refuses(
    "with a part that is cut",
    files({ [name(3)]: GOOD[2]![1].subarray(0, -1) }),
    "Cannot read the GGUF file",
  );
});
