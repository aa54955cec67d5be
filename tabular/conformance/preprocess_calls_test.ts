import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { readSafetensors } from "../../sdk/weights/safetensors.ts";
import { assert, assertEquals } from "../../sdk/testing/assert.ts";
import { ensembleMembers, memberBatches } from "../preprocess/ensemble.ts";
import { fitFrame } from "../preprocess/frame.ts";
import { fromRowMajor, keepColumns, toFloat32Rows } from "../preprocess/matrix.ts";
import { fitTransform } from "../preprocess/pipeline.ts";
import { uniqueFilter } from "../preprocess/unique_filter.ts";
import { compare } from "../../sdk/golden/check.ts";

describe("preprocessing and ensemble", () => {
  for (const name of ["e2e-iris", "e2e-wine", "e2e-mixed", "trained-iris", "trained-wine"]) {
    test(`give the tables of all model calls of ${name}`, async () => {
      const bytes = await readFile(new URL(`../testdata/${name}.safetensors`, import.meta.url));
      const file = readSafetensors(new Uint8Array(bytes));
      const params = JSON.parse(file.metadata["params"]!);
      const matrix = (key: string) => {
        const { data, shape } = file.tensors.get(key)!;
        return fromRowMajor(data as ArrayLike<number>, shape[0]!, shape[1]!);
      };
      const frame = params.train === undefined ? undefined : fitFrame(params.train);
      const train = frame?.encode(params.train) ?? matrix("X_train");
      const test = frame?.encode(params.test) ?? matrix("X_test");
      const kept = uniqueFilter(train);
      assertEquals([...kept].map(Boolean), params.kept_features);

      const settings = params.classifier;
      const members = ensembleMembers(kept.filter(Boolean).length, new Set(params.y_train).size, {
        nEstimators: settings.n_estimators ?? 32,
        normMethods: params.method_order,
        featShuffleMethod: settings.feat_shuffle_method ?? "latin",
        classShift: settings.class_shift ?? true,
        randomState: settings.random_state ?? 42,
      });
      const plain = members.map(({ norm, pattern, classShift }) => ({
        norm,
        pattern: [...pattern],
        class_shift: classShift,
      }));
      assertEquals(plain, params.members);

      const batches = memberBatches(members, settings.batch_size === undefined ? 8 : settings.batch_size);
      assertEquals(batches.length, params.calls);
      batches.forEach(([first], call) => {
        const outlierThreshold = settings.outlier_threshold ?? 4;
        const { pipeline, values } = fitTransform(first!.norm, keepColumns(train, kept), {
          outlierThreshold,
          randomState: settings.random_state ?? 42,
        });
        const rows = toFloat32Rows(values, first!.pattern);
        const testRows = toFloat32Rows(pipeline.transform(keepColumns(test, kept), "table"), first!.pattern);
        const recorded = file.tensors.get(`call${call}.X0`)!.data as ArrayLike<number>;
        const check = compare(`call${call}.X0`, [...rows, ...testRows], recorded, 2e-6);
        assert(check.ok, JSON.stringify(check));
      });
    });
  }
});
