/**
 * Replays the golden file of LServe: the head split, the chunk before decoding, and decoding step by step.
 *
 * @module
 */
import { attention } from "../../attention/attention.ts";
import type { Device } from "../../device/device.ts";
import { type CachedRows, decodeRows } from "../../device/ops/cached_rows.ts";
import { concat } from "../../device/ops/concat.ts";
import { quantize } from "../../device/ops/quantize.ts";
import { reshape } from "../../device/ops/reshape.ts";
import { slice } from "../../device/ops/slice.ts";
import type { Tensor } from "../../device/tensor.ts";
import {
  type Check,
  compare,
  compareScores,
  compareSelections,
  floats,
  shapeOf,
} from "../../golden/check.ts";
import type { SafetensorsFile } from "../../weights/safetensors.ts";
import { lserve, type LserveSelector } from "../lserve.ts";
import { retrievalHeads } from "../lserve_heads.ts";
import { keyExtremes, pageScores } from "../lserve_pages.ts";
import { denseRows, queryRow } from "./dense_rows.ts";
import { integers, numberOf, type Params, type Replay, upload } from "./replay.ts";

/** Everything in the file. */
export const replayLserve: Replay = async (device, file, params) => {
  using scope = device.scope();
  const [layer, history] = [numberOf(params, "layer"), numberOf(params, "history")];
  const staticSparsity = numberOf(params, "static_sparsity");
  const kvHeads = shapeOf(file, "head_alpha")[1]!;
  const alpha = floats(file, "head_alpha");
  const headScores = Array.from(
    { length: alpha.length / kvHeads },
    (_, row) => Array.from(alpha.subarray(row * kvHeads, (row + 1) * kvHeads)),
  );
  const flags = retrievalHeads(headScores, staticSparsity);
  const page = numberOf(params, "page_size");
  const made = lserve({
    headScores,
    staticSparsity,
    layer,
    prefill: { sink: numberOf(params, "ctx_sink"), local: numberOf(params, "ctx_local") },
    blockSize: page,
    page,
    logicalPerPage: numberOf(params, "logical_pages_per_page"),
    tokenBudget: numberOf(params, "token_budget"),
    interval: numberOf(params, "selector_interval"),
    decode: { sink: numberOf(params, "dec_sink"), local: numberOf(params, "dec_local") },
  });
  const [q, k, v] = [
    upload(scope, file, "q_prefill"),
    slice(scope, upload(scope, file, "k"), 1, 0, history),
    slice(scope, upload(scope, file, "v"), 1, 0, history),
  ];
  using plan = made.plan(scope, q, k);
  await plan.validate();
  const { out } = attention(scope, q, k, v, { plan });
  return {
    density: await plan.density(),
    checks: [
      compareSelections("head_flags_all", flags.flat(), integers(file, "head_flags_all")),
      compareSelections("head_flags", flags[layer]!, integers(file, "head_flags")),
      compare("out_prefill", await out.read(), floats(file, "out_prefill"), 1e-4),
      ...await replayExtremes(scope, file, params),
      ...await replaySteps(scope, file, params, made, flags[layer]!),
      ...await replayCodes(scope, file, params, "k"),
      ...await replayCodes(scope, file, params, "v"),
    ],
  };
};

/** Extremes and scores of pages at the first step. */
async function replayExtremes(d: Device, file: SafetensorsFile, params: Params): Promise<Check[]> {
  const perPage = numberOf(params, "logical_pages_per_page");
  const history = slice(d, upload(d, file, "k"), 1, 0, numberOf(params, "history"));
  const extremes = keyExtremes(d, history, numberOf(params, "page_size") / perPage);
  const [, logical, width] = extremes.shape as [number, number, number];
  const query = queryRow(d, upload(d, file, "q"), 0);
  const least = await slice(d, extremes, 2, width / 2).read();
  return [
    compare("kmax_first", await slice(d, extremes, 2, 0, width / 2).read(), floats(file, "kmax_first"), 1e-6),
    compare("kmin_first", least.map((value) => -value), floats(file, "kmin_first"), 1e-6),
    compareScores(
      "page_scores_first",
      await pageScores(d, query, extremes, logical, perPage).read(),
      floats(file, "page_scores_first"),
      1e-4,
    ),
  ];
}

/** Choices and outputs of all steps. */
async function replaySteps(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  made: LserveSelector,
  flags: readonly number[],
): Promise<Check[]> {
  const [history, page] = [numberOf(params, "history"), numberOf(params, "page_size")];
  const bits = numberOf(params, "kv_bits");
  const [q, k, v] = [upload(d, file, "q"), upload(d, file, "k"), upload(d, file, "v")];
  const [queryHeads, steps, headDim] = q.shape as [number, number, number];
  const [heads, tokens] = k.shape as [number, number, number];
  const [keys, values] = [quantize(d, k, { bits: bitsOf(bits) }), quantize(d, v, { bits: bitsOf(bits) })];
  const plain = denseRows(k, v);
  const codes: CachedRows = {
    ...plain,
    form: bits === 4 ? "int4" : "int8",
    k: keys.codes,
    v: values.codes,
    meta: concat(d, [keys.meta, values.meta], 0),
    metaHead: tokens * 2,
    vMetaAt: heads * tokens * 2,
  };
  const retrieves = (h: number): boolean => flags[Math.floor(h * heads / queryHeads)] === 1;

  using selection = made.start(d, { queryHeads, heads, headDim, layer: numberOf(params, "layer") });
  selection.append(slice(d, k, 1, 0, history));
  const found: Record<"out" | "out_dense" | "out_kv_quant", Tensor[]> = {
    out: [],
    out_dense: [],
    out_kv_quant: [],
  };
  const refreshed: number[] = [];
  const room = shapeOf(file, "page_ids")[2]!;
  const pages: number[][] = Array.from({ length: queryHeads }, () => []);
  const masses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const before = history + i;
    const rows = before + 1;
    selection.append(slice(d, k, 1, before, rows));
    const query = queryRow(d, q, i);
    const choice = selection.choose(d, query, rows) ?? {};
    refreshed.push(Number(selection.refreshed));
    const lists = await choice.list?.read("i32") ?? new Int32Array();
    const cap = lists.length / queryHeads;
    for (let h = 0; h < queryHeads; h++) {
      // The file lists pages of tokens before the current one, for retrieval heads.
      const own = retrieves(h) ? lists.subarray(h * cap, (h + 1) * cap) : [];
      const listed = [...own].filter((one) => one >= 0 && one < Math.ceil(before / page));
      pages[h]!.push(...listed, ...new Array<number>(Math.max(0, room - listed.length)).fill(-1));
    }
    const [sparse, dense] = [choice, {}].map((one) =>
      decodeRows(d, query, { ...plain, rows }, { total: rows, ...one })
    );
    found.out.push(sparse!.out);
    found.out_dense.push(dense!.out);
    found.out_kv_quant.push(decodeRows(d, query, { ...codes, rows }, { total: rows, ...choice }).out);
    const [kept, all] = [await sparse!.lse.read(), await dense!.lse.read()];
    kept.forEach((lse, h) => retrieves(h) && masses.push(Math.exp(lse - all[h]!)));
  }
  const outputs = Object.entries(found).map(async ([name, outs]) => {
    const joined = concat(d, outs.map((out) => reshape(d, out, [queryHeads, 1, headDim])), 1);
    return compare(name, await joined.read(), floats(file, name), 1e-4);
  });
  const mass = masses.reduce((sum, one) => sum + one, 0) / masses.length;
  return [
    compareSelections("page_ids", pages.flat(), integers(file, "page_ids")),
    compareSelections("refreshed", refreshed, integers(file, "refreshed")),
    ...await Promise.all(outputs),
    compare("mass_recall_retrieval", [mass], [numberOf(params, "mass_recall_retrieval")], 1e-4),
  ];
}

/** Codes, steps and zeros of keys or values. */
async function replayCodes(
  d: Device,
  file: SafetensorsFile,
  params: Params,
  kind: "k" | "v",
): Promise<Check[]> {
  const bits = bitsOf(numberOf(params, "kv_bits"));
  const { codes, meta } = quantize(d, upload(d, file, kind), { bits });
  const bytes = await codes.read("u8");
  const own = bits === 8 ? bytes : Uint8Array.from([...bytes].flatMap((byte) => [byte & 15, byte >> 4]));
  const expected = integers(file, `${kind}_codes`);
  const moved = expected.reduce((sum, code, i) => sum + Number(code !== own[i]), 0);
  const pairs = await meta.read();
  const pick = (of: (step: number, min: number) => number): number[] =>
    Array.from({ length: pairs.length / 2 }, (_, i) => of(pairs[2 * i]!, pairs[2 * i + 1]!));
  const name = `${kind}_codes`;
  return [
    // In float32 a number between two codes may go either way.
    { ...compare(name, own, expected, 1), kind: "score" },
    { ...compare(`${name} that differ`, [moved / expected.length], [0], 1e-3), kind: "score" },
    compareScores(`${kind}_scale`, pick((step) => step), floats(file, `${kind}_scale`), 1e-4),
    compareScores(`${kind}_zero`, pick((step, min) => -min / step), floats(file, `${kind}_zero`), 1e-4),
  ];
}

function bitsOf(bits: number): 4 | 8 {
  if (bits === 4 || bits === 8) return bits;
  throw new RangeError(`Cannot replay the golden file: its parameter "kv_bits" is ${bits}, expected 4 or 8`);
}
