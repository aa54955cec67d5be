import { bitmap, quantized, type Storage } from "../cache/mod.ts";
import type { Device } from "../device/mod.ts";
import { type ContextOptions, type Label, OrionMSPClassifier, type TableInput } from "../../tabular/mod.ts";
import { accuracy, logLoss } from "./metrics.ts";

/** Rows to learn and rows to predict. */
export interface HeldTable {
  /** Rows to learn. */
  readonly learn: { readonly X: TableInput; readonly y: Label[] };
  /** Rows to predict. */
  readonly ask: { readonly X: TableInput; readonly y: Label[] };
  /** The first of them alone. */
  readonly one: TableInput;
}

/** A way to keep and read contexts. */
export interface ContextSetting {
  /** Its name in the table. */
  readonly title: string;
  /** Its options. */
  readonly context?: ContextOptions;
}

/** What came of one setting on one table. */
export interface ContextResult {
  /** Name of the setting. */
  readonly title: string;
  /** Share of right predictions. */
  readonly accuracy: number;
  /** Mean log-loss. */
  readonly logLoss: number;
  /** Bytes of the context's file. */
  readonly bytes: number;
  /** Milliseconds of a row among all others. */
  readonly rowMs: number;
  /** Milliseconds of a row that is asked for alone: the median. */
  readonly oneMs: number;
}

/** A table does not grow: all of its rows are compressed but the last few. */
const pruned = (share: number): Storage => bitmap({ sparsity: { k: share, v: share }, window: 0, chunk: 64 });
/** As the paper reads a long prompt, but in every layer. */
const SIXTEENTH = { tokenRatio: 1 / 16, channelRatio: 1 / 16 };
const WIDE = { tokenRatio: 1 / 16, channelRatio: 1 / 2 };

/** Ways to keep and read contexts, the first being the default. */
export const CONTEXT_LINEUP: readonly ContextSetting[] = [
  { title: "dense f16" },
  { title: "int8", context: { storage: quantized({ bits: 8 }) } },
  { title: "int4", context: { storage: quantized({ bits: 4 }) } },
  { title: "bitmap 0.5", context: { storage: pruned(0.5) } },
  { title: "bitmap 0.7", context: { storage: pruned(0.7) } },
  { title: "select 1/16 by 1/16", context: { select: SIXTEENTH } },
  { title: "select 1/16 by 1/2", context: { select: WIDE } },
  { title: "select 1/4 by 1/4", context: { select: {} } },
  { title: "bitmap 0.7, 1/16 by 1/2", context: { storage: pruned(0.7), select: WIDE } },
  { title: "bitmap 0.7, 1/4 by 1/4", context: { storage: pruned(0.7), select: {} } },
];

/**
 * Fits and predicts tables with one setting.
 *
 * @param tables Whose predicted rows are counted together.
 * @param members Of the ensemble.
 */
export async function measureContext(
  device: Device,
  { title, context }: ContextSetting,
  tables: readonly HeldTable[],
  members: number,
): Promise<ContextResult> {
  const clf = await OrionMSPClassifier.load({ device, nEstimators: members, ...(context && { context }) });
  const sum = { rows: 0, right: 0, loss: 0, ms: 0, bytes: 0 };
  const alone: number[] = [];
  const timed = async <T>(run: () => Promise<T>): Promise<[T, number]> => {
    const begin = performance.now();
    return [await run(), performance.now() - begin];
  };
  try {
    for (const { learn, ask, one } of tables) {
      await clf.fit(learn.X, learn.y);
      const [probabilities, ms] = await timed(() => clf.predictProba(ask.X));
      for (let i = 0; i < 5; i++) alone.push((await timed(() => clf.predictProba(one)))[1]);
      const { classes } = clf;
      const predicted = probabilities.map((row) => classes[row.indexOf(Math.max(...row))]!);
      const rows = ask.y.length;
      sum.rows += rows;
      sum.right += rows * accuracy(ask.y, predicted);
      sum.loss += rows * logLoss(ask.y, probabilities, classes);
      sum.ms += ms;
      sum.bytes = Math.max(sum.bytes, (await clf.save()).length);
    }
  } finally {
    clf.dispose();
  }
  return {
    title,
    accuracy: sum.right / sum.rows,
    logLoss: sum.loss / sum.rows,
    bytes: sum.bytes,
    rowMs: sum.ms / sum.rows,
    oneMs: alone.toSorted((a, b) => a - b)[alone.length >> 1]!,
  };
}
