/**
 * The ensemble of official weights: every prediction recomputes the whole pass, since its test rows influence one another.
 *
 * @module
 */
import type { OrionMSP } from "../model/orion_msp.ts";
import { drawMasks, type RowMasks } from "../model/row_interactor.ts";
import type { NdArray } from "../model/arrays.ts";
import type { MemberOutput } from "../preprocess/average.ts";
import { type Member, memberBatches } from "../preprocess/ensemble.ts";
import { type Matrix, toFloat32Rows } from "../preprocess/matrix.ts";
import type { TorchRandom } from "../preprocess/torch_random.ts";
import type { RunOptions } from "./fitted_ensemble.ts";
import type { EnsembleSettings } from "./options.ts";

/** One model call of the ensemble, for replays. */
export interface OfficialCall {
  readonly members: readonly Member[];
  /** The tables of the members, train rows first [B, T, H]. */
  readonly x: NdArray;
  /** Shifted labels [B, n]. */
  readonly y: NdArray;
  readonly masks: RowMasks;
  readonly out: NdArray;
}

/** What an official ensemble predicts from. */
export interface OfficialTables {
  readonly methods: readonly string[];
  /** Normalised train rows, one table per method. */
  readonly train: readonly Matrix[];
  readonly test: readonly Matrix[];
  /** Class of every train row. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** Source of the random links; it goes on from call to call. */
  readonly generator: TorchRandom;
}

/** Runs all members, batch by batch (SPEC 7.5). */
export async function predictOfficial(
  model: OrionMSP,
  tables: OfficialTables,
  members: readonly Member[],
  settings: Pick<EnsembleSettings, "batchSize" | "averageLogits" | "softmaxTemperature">,
  options: RunOptions = {},
  onCall?: (call: OfficialCall) => void,
): Promise<MemberOutput[]> {
  const { labels, classes } = tables;
  const n = labels.length;
  const outputs: MemberOutput[] = [];
  for (const batch of memberBatches(members, settings.batchSize)) {
    const method = tables.methods.indexOf(batch[0]!.norm);
    const [train, test] = [tables.train[method]!, tables.test[method]!];
    const [rows, h] = [train.rows + test.rows, train.columns];
    const x = { data: new Float32Array(batch.length * rows * h), shape: [batch.length, rows, h] };
    batch.forEach(({ pattern }, i) => {
      toFloat32Rows(train, pattern, x.data, i * rows * h);
      toFloat32Rows(test, pattern, x.data, (i * rows + n) * h);
    });
    const shifted = batch.flatMap(({ classShift }) => Array.from(labels, (c) => (c + classShift) % classes));
    const y = { data: Float32Array.from(shifted), shape: [batch.length, n] };
    const masks = drawMasks(model.config, h, tables.generator);
    const out = await model.forward(x, y, {
      featureShuffles: batch.map((member) => member.pattern),
      masks,
      returnLogits: settings.averageLogits,
      softmaxTemperature: settings.softmaxTemperature,
      ...(options.signal && { signal: options.signal }),
    });
    onCall?.({ members: batch, x, y, masks, out });
    batch.forEach(({ classShift }, i) =>
      outputs.push({
        values: out.data.subarray(i * test.rows * classes, (i + 1) * test.rows * classes),
        classShift,
      })
    );
    options.onProgress?.({ stage: "members", done: outputs.length, total: members.length });
  }
  return outputs;
}
