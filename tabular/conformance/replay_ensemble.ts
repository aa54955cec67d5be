/**
 * Replays a golden file of kind `e2e` or `trained`: the whole classifier of the official code.
 *
 * @module
 */
import type { Device } from "../../sdk/device/mod.ts";
import { type SafetensorsFile, toFloat32 } from "../../sdk/weights/safetensors.ts";
import { ensembleSettings } from "../classifier/options.ts";
import { type OfficialCall, predictOfficial } from "../classifier/official_ensemble.ts";
import { specialTokens } from "../model/config.ts";
import { OrionMSP } from "../model/orion_msp.ts";
import { averageMembers } from "../preprocess/average.ts";
import { ensembleMembers, type FeatureShuffle, type Member } from "../preprocess/ensemble.ts";
import { fitFrame, type FrameColumn } from "../preprocess/frame.ts";
import { fromRowMajor, keepColumns, type Matrix } from "../preprocess/matrix.ts";
import { fitPipeline, type NormMethod } from "../preprocess/pipeline.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import { uniqueFilter } from "../preprocess/unique_filter.ts";
import { encodeLabels, type Label } from "../classifier/labels.ts";
import { type Check, compare, floats, shapeOf } from "../../sdk/golden/check.ts";
import { compareExactly } from "./exact.ts";
import { compareMask } from "./replay_model.ts";

/** Largest differences allowed (SPEC 11). */
const TOLERANCE = { table: 2e-6, out: 2e-4, proba: 2e-5 };

interface EnsembleParams {
  readonly config: unknown;
  readonly classifier: {
    readonly n_estimators?: number;
    readonly norm_methods?: NormMethod | readonly NormMethod[] | null;
    readonly feat_shuffle_method?: FeatureShuffle;
    readonly class_shift?: boolean;
    readonly outlier_threshold?: number;
    readonly softmax_temperature?: number;
    readonly average_logits?: boolean;
    readonly batch_size?: number | null;
    readonly random_state?: number;
  };
  readonly method_order: readonly NormMethod[];
  readonly members: readonly {
    readonly norm: string;
    readonly pattern: readonly number[];
    readonly class_shift: number;
  }[];
  readonly kept_features: readonly boolean[];
  readonly classes: readonly Label[];
  readonly y_train: readonly Label[];
  readonly y_test?: readonly Label[];
  readonly accuracy?: number;
  readonly calls: number;
  readonly torch_seed: number;
  readonly train?: readonly FrameColumn[];
  readonly test?: readonly FrameColumn[];
}

/** Replays the file. @param weights The state dict where the file brings none (`params.weights`). */
export async function replayEnsemble(
  device: Device,
  file: SafetensorsFile,
  params: EnsembleParams,
  weights?: SafetensorsFile,
): Promise<Check[]> {
  const own = new Map(
    [...file.tensors].filter(([name]) => name.startsWith("sd.")).map((
      [name, entry],
    ) => [name.slice(3), entry]),
  );
  const model = OrionMSP.fromTensors(params.config, weights ? weights.tensors : own, { device });
  try {
    return await replay(model, file, params);
  } finally {
    model.dispose();
  }
}

async function replay(model: OrionMSP, file: SafetensorsFile, params: EnsembleParams): Promise<Check[]> {
  const { classifier } = params;
  const methods = typeof classifier.norm_methods === "string"
    ? [classifier.norm_methods]
    : classifier.norm_methods;
  const settings = ensembleSettings(model.config, {
    nEstimators: classifier.n_estimators ?? 32,
    ...(methods && { normMethods: methods }),
    ...(classifier.feat_shuffle_method && { featShuffleMethod: classifier.feat_shuffle_method }),
    classShift: classifier.class_shift ?? true,
    outlierThreshold: classifier.outlier_threshold ?? 4,
    softmaxTemperature: classifier.softmax_temperature ?? 0.9,
    averageLogits: classifier.average_logits ?? true,
    batchSize: classifier.batch_size === undefined ? 8 : classifier.batch_size,
    randomState: classifier.random_state ?? 42,
  });
  const checks: Check[] = [];
  const { train, test } = tables(file, params);
  const kept = uniqueFilter(train);
  checks.push(compare("kept", kept, params.kept_features.map(Number), 0));
  const pipelines = params.method_order.map((method) =>
    fitPipeline(method, keepColumns(train, kept), settings)
  );
  const { classes, codes } = encodeLabels(params.y_train);
  checks.push(compareExactly("classes", classes, params.classes));

  const drawn = ensembleMembers(kept.reduce((all, keep) => all + keep, 0), classes.length, settings);
  const members = params.method_order.flatMap((method) => drawn.filter((member) => member.norm === method));
  checks.push(
    compareExactly(
      "members",
      members.map(plain),
      params.members.map(({ norm, pattern, class_shift }) => [norm, [...pattern], class_shift]),
    ),
  );

  let calls = 0;
  const onCall = (call: OfficialCall): void =>
    void checks.push(...compareCall(file, `call${calls++}.`, call, specialTokens(model.config)));
  const outputs = await predictOfficial(
    model,
    {
      methods: params.method_order,
      train: pipelines.map((pipeline) => pipeline.transform(keepColumns(train, kept))),
      test: pipelines.map((pipeline) => pipeline.transform(keepColumns(test, kept), "table")),
      labels: codes,
      classes: classes.length,
      generator: torchRandom(params.torch_seed),
    },
    members,
    settings,
    {},
    onCall,
  );
  checks.push(compare("calls", [calls], [params.calls], 0));
  const proba = averageMembers(outputs, classes.length, settings);
  checks.push(compare("proba", proba, floats(file, "proba"), TOLERANCE.proba));
  if (params.y_test && params.accuracy !== undefined) {
    const hits = params.y_test.filter((label, i) => {
      const row = proba.subarray(i * classes.length, (i + 1) * classes.length);
      return classes[row.indexOf(Math.max(...row))] === label;
    }).length;
    checks.push(compare("accuracy", [hits / params.y_test.length], [params.accuracy], 1e-12));
  }
  return checks;
}

function compareCall(file: SafetensorsFile, prefix: string, call: OfficialCall, specials: number): Check[] {
  const first = call.x.data.subarray(0, call.x.data.length / call.members.length);
  const orders = call.members.flatMap((member) => [...member.pattern]);
  const masks = [...call.masks].flatMap(([scale, mask]) => compareMask(file, scale, mask, specials, prefix));
  return [
    compare(`${prefix}X0`, first, floats(file, `${prefix}X0`), TOLERANCE.table),
    compare(`${prefix}y`, call.y.data, floats(file, `${prefix}y`), 0),
    compare(`${prefix}feature_shuffles`, orders, floats(file, `${prefix}feature_shuffles`), 0),
    ...masks,
    compare(`${prefix}out`, call.out.data, floats(file, `${prefix}out`), TOLERANCE.out),
  ];
}

/** The encoded train and test tables: from frames in the parameters, or from arrays as they are. */
function tables(file: SafetensorsFile, params: EnsembleParams): { train: Matrix; test: Matrix } {
  if (params.train && params.test) {
    const encoder = fitFrame(params.train);
    return { train: encoder.encode(params.train), test: encoder.encode(params.test) };
  }
  const matrix = (name: string): Matrix => {
    const [rows, columns] = shapeOf(file, name) as [number, number];
    const { dtype, data } = file.tensors.get(name)!;
    return fromRowMajor(
      dtype === "F64" ? data as Float64Array : toFloat32(file.tensors.get(name)!),
      rows,
      columns,
    );
  };
  return { train: matrix("X_train"), test: matrix("X_test") };
}

function plain({ norm, pattern, classShift }: Member): [string, number[], number] {
  return [norm, [...pattern], classShift];
}
