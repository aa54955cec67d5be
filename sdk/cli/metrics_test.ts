import { describe, test } from "node:test";
import { assertAlmostEquals, assertEquals } from "../testing/assert.ts";
import { accuracy, confusionMatrix, logLoss } from "./metrics.ts";

describe("metrics", () => {
  test("accuracy() is the share of right predictions", () => {
    assertEquals(accuracy(["a", "b", "b", "a"], ["a", "b", "a", "b"]), 0.5);
    assertEquals(accuracy([], []), NaN);
  });

  test("logLoss() is the mean negative logarithm of the true class's probability", () => {
    const loss = logLoss(["a", "b"], [[0.5, 0.5], [0.9, 0.1]], ["a", "b"]);
    assertAlmostEquals(loss, (Math.log(2) + Math.log(10)) / 2, 1e-12);
  });

  test("logLoss() stays finite when the true class has probability 0 or is unknown", () => {
    assertAlmostEquals(logLoss(["a"], [[0, 1]], ["a", "b"]), 52 * Math.log(2), 1e-9);
    assertAlmostEquals(logLoss(["c"], [[0, 1]], ["a", "b"]), 52 * Math.log(2), 1e-9);
    assertAlmostEquals(logLoss(["b"], [[0, 1.0000001]], ["a", "b"]), 0, 1e-12);
  });

  test("confusionMatrix() has a row for each true class", () => {
    const matrix = confusionMatrix(["a", "a", "b", "z"], ["a", "b", "b", "a"], ["a", "b"]);
    assertEquals(matrix, [[1, 1], [0, 1]]);
  });
});
