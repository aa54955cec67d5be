import { describe, test } from "node:test";
import { WeightsError } from "../device/errors.ts";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { readSafetensors, type SafetensorsEntry, writeSafetensors } from "../weights/safetensors.ts";
import { randomPredictor } from "./_test_sparsifiner.ts";
import { SparsifinerPredictor } from "./sparsifiner_predictor.ts";

const sizes = { tokens: 13, headDim: 6, channels: 3, vectors: 2 };
const predictor = randomPredictor(random(1), sizes);

/** The tensors of a saved predictor, some of them others. */
function changed(others: Readonly<Record<string, SafetensorsEntry | undefined>>): Uint8Array {
  const { tensors } = readSafetensors(predictor.save());
  for (const [name, entry] of Object.entries(others)) {
    if (entry) tensors.set(name, entry);
    else tensors.delete(name);
  }
  return writeSafetensors(tensors);
}

function zeros(shape: readonly number[], value = 0): SafetensorsEntry {
  return { dtype: "F32", shape, data: new Float32Array(shape.reduce((all, n) => all * n, 1)).fill(value) };
}

describe("SparsifinerPredictor", () => {
  test("loads what it saves, by plain names and by those of checkpoints", () => {
    for (const options of [{}, { layer: 3 }, { prefix: "blocks.0.predictor." }]) {
      const bytes = predictor.save(options);
      const again = SparsifinerPredictor.load(bytes, options);
      assertEquals(again, predictor);
      assertEquals(SparsifinerPredictor.load(readSafetensors(bytes), options), predictor);
    }
    const names = [...readSafetensors(predictor.save({ layer: 3 })).tensors.keys()];
    assertEquals(names.includes("blocks.3.attn.mask_predictor.proj_c_q.weight"), true);
    assertEquals(readSafetensors(predictor.save()).tensors.has("proj_back_n"), true);
  });

  test("refuses files without a tensor or with one that does not fit", () => {
    const load = (others: Parameters<typeof changed>[0]) => () => SparsifinerPredictor.load(changed(others));
    assertThrows(load({ proj_n: undefined }), WeightsError, `no tensor "proj_n"`);
    assertThrows(load({ "proj_c_k.bias": zeros([4]) }), WeightsError, "shape [4], expected [3]");
    assertThrows(load({ proj_back_n: zeros([2, 13]) }), WeightsError, "shape [2,13], expected [13,2]");
    assertThrows(load({ "proj_c_q.bias": zeros([3], NaN) }), WeightsError, "not finite");
    assertThrows(() => SparsifinerPredictor.load(predictor.save(), { layer: 0 }), WeightsError, "blocks.0.");
    assertThrows(() => SparsifinerPredictor.load(new Uint8Array(4)), WeightsError);
  });

  test("refuses images too small for a basis vector, and other sizes out of range", () => {
    const none = { ...sizes, vectors: 0 };
    const weights = { ...predictor.weights, project: new Float32Array(0), restore: new Float32Array(0) };
    assertThrows(() => new SparsifinerPredictor(none, weights), RangeError, `"vectors" is 0`);
    assertThrows(
      () => SparsifinerPredictor.load(changed({ proj_n: zeros([13, 0]), proj_back_n: zeros([13, 0]) })),
      WeightsError,
      `"vectors" is 0`,
    );
    assertThrows(() => new SparsifinerPredictor({ ...sizes, tokens: 14 }, predictor.weights), RangeError);
  });

  test("leaves small entries out of the basis", () => {
    const basis = predictor.basis(0.2);
    predictor.weights.restore.forEach((value, i) => {
      assertEquals(basis[i], Math.abs(value) > 0.2 ? Math.abs(value) : 0);
    });
    const edge = new SparsifinerPredictor(sizes, {
      ...predictor.weights,
      restore: predictor.weights.restore.map(() => 0.02),
    });
    assertEquals(edge.basis(0.02).every((value) => value === 0), true);
  });
});
