import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createDevice } from "../device/core_device.ts";
import { WeightsError } from "../device/errors.ts";
import { openReference } from "../device/reference/mod.ts";
import type { Planner } from "../methods/planner.ts";
import { streaming } from "../methods/streaming.ts";
import { assertEquals, assertRejects, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { memoryFiles, type WeightFiles } from "../weights/source.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import { ggufOf } from "./_test_gguf.ts";
import { filesOf, testModel } from "./_test_model.ts";
import { assertClose, take } from "./_test_values.ts";
import { CausalLM, type CausalLMOptions } from "./causal_lm.ts";
import type { Heads } from "./decoder.ts";
import type { Sequence } from "./language_model.ts";

const device = createDevice(openReference());
const MODEL = testModel({ model_type: "llama" }, 7);
const IDS = random(8).ints(20, 0, 40);

const load = (
  options: Partial<CausalLMOptions> = {},
  files: WeightFiles = filesOf(MODEL).files,
): Promise<CausalLM> => CausalLM.load(files, { device, ...options });

async function step(
  lm: CausalLM,
  sequences: readonly Sequence[],
  ids: readonly number[],
): Promise<Float32Array> {
  const tensor = device.tensor(Int32Array.from(ids), [ids.length]);
  try {
    return await take(lm.step(sequences, tensor));
  } finally {
    tensor.dispose();
  }
}

describe("CausalLM.step()", () => {
  test("appends a token to each of several sequences as it does to one alone", async () => {
    using lm = await load();
    const starts = [[3, 1, 4], [1, 5, 9, 2, 6], [5]];
    const sequences = starts.map(() => lm.sequence());
    for (const [i, ids] of starts.entries()) {
      (await lm.prefill(sequences[i]!, Int32Array.from(ids))).dispose();
    }
    const all = await step(lm, sequences, [7, 8, 9]);
    for (const [i, ids] of starts.entries()) {
      const alone = await take(await lm.logits([...ids, 7 + i]));
      assertClose(all.subarray(40 * i, 40 * i + 40), alone.subarray(-40));
      assertEquals(sequences[i]!.length, ids.length + 1);
    }
  });

  test("begins an empty sequence", async () => {
    using lm = await load();
    using sequence = lm.sequence();
    assertClose(await step(lm, [sequence], [3]), await take(await lm.logits([3])));
  });

  test("needs no more memory from token to token", async () => {
    using lm = await load();
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS)).dispose();
    await step(lm, [sequence], [1]);
    const { tensors, bytes } = device.report;
    for (let i = 0; i < 30; i++) await step(lm, [sequence], [i]);
    assertEquals([device.report.tensors, device.report.bytes], [tensors, bytes]);
  });

  test("refuses no sequence, one twice, ids that do not fit, and those of another model", async () => {
    using lm = await load();
    using other = await load();
    using sequence = lm.sequence();
    const ids = device.tensor(Int32Array.of(1, 2), [2]);
    assertThrows(() => lm.step([], device.tensor(new Int32Array(0), [0])), RangeError);
    assertThrows(() => lm.step([sequence, sequence], ids), RangeError);
    assertThrows(() => lm.step([sequence], ids), RangeError);
    assertThrows(() => lm.step([other.sequence(), sequence], ids), TypeError);
    assertEquals(sequence.length, 0);
    ids.dispose();
  });
});

describe("a sequence of CausalLM", () => {
  test("goes on from where it was truncated, and a fork by itself", async () => {
    using lm = await load();
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS)).dispose();
    using fork = sequence.fork();
    sequence.truncate(4);
    assertClose(
      await step(lm, [sequence], [11]),
      (await take(await lm.logits([...IDS.slice(0, 4), 11]))).subarray(-40),
    );
    assertClose(await step(lm, [fork], [12]), (await take(await lm.logits([...IDS, 12]))).subarray(-40));
    assertEquals([sequence.length, fork.length], [5, 21]);
    assertEquals(sequence.bytes > 0, true);
    assertThrows(() => sequence.truncate(6), RangeError);
    assertThrows(() => sequence.truncate(-1), RangeError);
  });

  test("is as it was after an abort or an error in the middle of a prompt", async () => {
    using lm = await load();
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS.subarray(0, 5))).dispose();
    const { tensors } = device.report;
    const controller = new AbortController();
    const running = lm.prefill(sequence, IDS.subarray(5), controller.signal);
    controller.abort(new Error("enough"));
    await assertRejects(() => running, Error, "enough");
    await assertRejects(
      () => lm.prefill(sequence, IDS, AbortSignal.abort(new Error("before"))),
      Error,
      "before",
    );
    assertEquals(sequence.caches.map((cache) => cache.length), [5, 5]);
    assertEquals(device.report.tensors, tensors);
    const rest = await take(await lm.prefill(sequence, IDS.subarray(5)));
    assertClose(rest, (await take(await lm.logits(IDS))).subarray(-40));
  });

  test("does not grow beyond the context", async () => {
    using lm = await load({ contextLength: 21 });
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS)).dispose();
    await step(lm, [sequence], [0]);
    const id = device.tensor(Int32Array.of(1), [1]);
    assertThrows(() => lm.step([sequence], id), RangeError, "21");
    await assertRejects(() => lm.prefill(sequence, Int32Array.of(1)), RangeError);
    await assertRejects(() => lm.logits(new Int32Array(22)), RangeError);
    assertEquals(sequence.length, 21);
    id.dispose();
  });
});

describe("CausalLM.prefill()", () => {
  test("refuses ids that the model does not have, and no ids", async () => {
    using lm = await load();
    for (const ids of [[], [40], [-1], [0.5], [NaN]]) await assertRejects(() => lm.logits(ids), RangeError);
    using sequence = lm.sequence();
    await assertRejects(() => lm.prefill(sequence, Int32Array.of(1, 40)), RangeError);
    await assertRejects(
      () => lm.prefill({ ...lm.sequence(), length: 0 } as unknown as Sequence, Int32Array.of(1)),
      TypeError,
    );
    assertEquals(sequence.length, 0);
  });

  test("attends as the planner says, layer by layer, and later tokens as the selector says", async () => {
    const layers: (number | undefined)[] = [];
    const band = streaming({ sink: 0, window: 6, blockSize: 4 });
    const prefill: Planner = {
      name: "band",
      plan(d, q, k, state) {
        layers.push(state?.layer);
        return band.plan(d, q, k, state);
      },
    };
    using lm = await load({ prefill, select: band });
    using windowed = await load(
      {},
      filesOf({ ...MODEL, config: { ...MODEL.config, model_type: "mistral", sliding_window: 6 } }).files,
    );
    const expected = await take(await windowed.logits([...IDS, 5]));
    assertClose(await take(await lm.logits(IDS)), expected.subarray(0, -40));
    assertEquals(layers, [0, 1]);
    using sequence = lm.sequence();
    (await lm.prefill(sequence, IDS.subarray(0, 8))).dispose();
    assertClose(await take(await lm.prefill(sequence, IDS.subarray(8))), expected.subarray(-80, -40));
    assertClose(await step(lm, [sequence], [5]), expected.subarray(-40));
    assertEquals(layers, [0, 1, 0, 1, 0, 1]);
  });
});

describe("CausalLM.logits()", () => {
  test("gives the same whatever the size of chunks", async () => {
    using whole = await load();
    const expected = await take(await whole.logits(IDS));
    for (const chunk of [1, 3, 19, Infinity]) {
      using lm = await load({ chunk });
      assertClose(await take(await lm.logits(IDS)), expected);
    }
  });

  test("shows what every layer attends with, chunk by chunk", async () => {
    using whole = await load();
    using lm = await load({ chunk: 12 });
    const seen: string[] = [];
    const parts: Float32Array[][] = [[], []];
    const inspectHeads = async (layer: number, { q, k, v }: Heads): Promise<void> => {
      seen.push(`${layer}: ${q.shape} ${k.shape} ${v.shape}`);
      parts[layer]!.push(await k.read());
    };
    await take(await lm.logits(IDS, { inspectHeads }));
    const shapes = [["4,12,8 2,12,8 2,12,8"], ["4,8,8 2,8,8 2,8,8"]];
    assertEquals(seen, shapes.flatMap((shape) => [`0: ${shape}`, `1: ${shape}`]));

    using sequence = whole.sequence();
    (await whole.prefill(sequence, IDS)).dispose();
    using scope = device.scope();
    const keys = await sequence.caches[1]!.rows(scope).k.read();
    const head = (
      at: number,
    ) => [...parts[1]![0]!.subarray(96 * at, 96 * at + 96), ...parts[1]![1]!.subarray(64 * at, 64 * at + 64)];
    assertClose(Float32Array.from([...head(0), ...head(1)]), keys);
  });
});

describe("CausalLM.generate()", () => {
  test("goes on from ids with the likeliest tokens", async () => {
    using lm = await load();
    const ids = [...IDS];
    for (let i = 0; i < 5; i++) {
      const row = (await take(await lm.logits(ids))).subarray(-40);
      ids.push(row.indexOf(Math.max(...row)));
    }
    const found: number[] = [];
    for await (const piece of lm.generate([...IDS], { maxTokens: 5 })) {
      found.push(...piece.ids);
      assertEquals(piece.text, "");
    }
    assertEquals(found, ids.slice(20));
  });
});

describe("CausalLM.load()", () => {
  test("gives all memory back when it is disposed of, that of its sequences too", async () => {
    const { tensors } = device.report;
    const lm = await load();
    const sequence = lm.sequence();
    (await lm.prefill(sequence, IDS)).dispose();
    lm.dispose();
    lm.dispose();
    sequence.dispose();
    assertEquals(device.report.tensors, tensors);
    assertThrows(() => lm.sequence(), Error);
  });

  test("stops when it is aborted, before and between tensors, and leaves nothing behind", async () => {
    const { tensors } = device.report;
    await assertRejects(() => load({ signal: AbortSignal.abort(new Error("before")) }), Error, "before");
    const controller = new AbortController();
    const loading = load({ signal: controller.signal });
    controller.abort(new Error("between"));
    await assertRejects(() => loading, Error, "between");
    assertEquals(device.report.tensors, tensors);
  });

  test("reads a directory, its shards, or a GGUF file by path", async () => {
    const folder = await mkdtemp(join(tmpdir(), "filigree-lm-"));
    try {
      const expected = await load().then(async (lm) => await take(await lm.logits(IDS)));
      const config = JSON.stringify({ ...MODEL.config, eos_token_id: 2 });
      const names = [...MODEL.tensors.keys()];
      const weight_map = Object.fromEntries(names.map((name, i) => [name, `part-${i % 2}.safetensors`]));
      await mkdir(join(folder, "shards"));
      for (const part of [0, 1]) {
        const own = names.filter((_, i) => i % 2 === part);
        const tensors = new Map(
          own.map((name) => [name, { dtype: "F32" as const, ...MODEL.tensors.get(name)! }]),
        );
        await writeFile(join(folder, "shards", `part-${part}.safetensors`), writeSafetensors(tensors));
      }
      await writeFile(join(folder, "shards", "model.safetensors.index.json"), JSON.stringify({ weight_map }));
      await writeFile(join(folder, "shards", "config.json"), config);
      await writeFile(join(folder, "shards", "generation_config.json"), '{ "eos_token_id": [2, 7] }');
      await writeFile(join(folder, "model.gguf"), ggufOf(MODEL).bytes);
      for (const [path, eosIds] of [["shards", [2, 7]], ["model.gguf", []]] as const) {
        using lm = await CausalLM.load(join(folder, path), { device });
        assertClose(await take(await lm.logits(IDS)), expected);
        assertEquals(lm.config.eosIds, eosIds);
      }
      await assertRejects(() => CausalLM.load(folder, { device }), WeightsError, "config.json");
      await assertRejects(
        () => CausalLM.load(join(folder, "other.gguf"), { device }),
        WeightsError,
        "other.gguf",
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("refuses weights that do not fit the configuration, and a context of no tokens", async () => {
    const { tensors } = device.report;
    const wrong = { ...MODEL, config: { ...MODEL.config, intermediate_size: 49 } };
    await assertRejects(() => load({}, filesOf(wrong).files), WeightsError, "mlp.");
    await assertRejects(() => load({ contextLength: 0 }), RangeError);
    await assertRejects(() => load({ chunk: 1.5 }), RangeError);
    const broken = memoryFiles(new Map([["config.json", new TextEncoder().encode("{")]]));
    await assertRejects(() => load({}, broken), SyntaxError);
    assertEquals(device.report.tensors, tensors);
  });
});
