import { describe, test } from "node:test";
import { random } from "../../sdk/testing/random.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import { columnOf, fromRowMajor, keepColumns, toFloat32Rows, zeros } from "./matrix.ts";
import { applyBounds, fitBounds } from "./outliers.ts";
import { fitPipeline, fitTransform, type NormMethod, restorePipeline } from "./pipeline.ts";
import { fitPower, yeoJohnson } from "./power.ts";
import { fitQuantiles, quantileOfSorted, quantileReferences, subsampleRows } from "./quantile.ts";
import { uniqueFilter } from "./unique_filter.ts";

const METHODS: readonly NormMethod[] = ["none", "power", "quantile", "quantile_rtdl", "robust"];

function column(values: ArrayLike<number>) {
  return fromRowMajor(values, values.length, 1);
}

describe("fitPipeline()", () => {
  for (const method of METHODS) {
    test(`${method}: stays finite on hostile columns`, () => {
      const source = random(5);
      const hostile: Record<string, number[]> = {
        constant: new Array(30).fill(7),
        huge: Array.from({ length: 30 }, () => source.normal() * 1e38),
        extreme: Array.from({ length: 30 }, (_, i) => i % 2 ? Number.MAX_VALUE : -Number.MAX_VALUE),
        tiny: Array.from({ length: 30 }, () => source.normal() * 1e-300),
        "one outlier": Array.from({ length: 30 }, (_, i) => i === 3 ? 1e38 : 0),
        "nearly constant": Array.from({ length: 30 }, () => 1e8 + source.normal() * 1e-7),
        ties: Array.from({ length: 30 }, (_, i) => i % 3),
        "two rows": [1, 2],
        "one row": [5],
      };
      for (const [name, values] of Object.entries(hostile)) {
        const { pipeline, values: train } = fitTransform(method, column(values));
        const test = pipeline.transform(column([...values.slice(0, 2), 0, 1e38, -1e38, Number.MAX_VALUE]));
        assert([...train.data, ...test.data].every(Number.isFinite), name);
      }
    });

    test(`${method}: gives the same from a state that went through JSON`, () => {
      const source = random(6);
      const train = fromRowMajor(source.normals(150), 50, 3);
      const test = fromRowMajor(source.normals(30, 3), 10, 3);
      const { pipeline, values } = fitTransform(method, train);
      const { arrays, ...rest } = pipeline.state;
      const plain = Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, [...array]]));
      const restored = restorePipeline(JSON.parse(JSON.stringify({ ...rest, arrays: plain })));
      assertEquals(restored.transform(test), pipeline.transform(test));
      assertEquals(pipeline.transform(train), values);
      assertEquals(restored.state, pipeline.state);
    });

    test(`${method}: keeps the order of values`, () => {
      const values = Float64Array.from(random(7).normals(200)).sort();
      const { pipeline } = fitTransform(method, column(values));
      const result = pipeline.transform(column(values)).data;
      for (let i = 1; i < result.length; i++) assert(result[i]! >= result[i - 1]! - 1e-12);
    });
  }

  test("takes tables without columns", () => {
    for (const method of METHODS) {
      const { pipeline, values } = fitTransform(method, zeros(4, 0));
      assertEquals(values.columns, 0);
      assertEquals(restorePipeline(pipeline.state).transform(zeros(2, 0)).rows, 2);
    }
  });

  test("clips a test value whose power overflows, and the whole table only when asked to", () => {
    const source = random(2);
    const nearly = Float64Array.from({ length: 40 }, () => -1e-9 * Math.exp(source.normal()));
    const train = fromRowMajor([...nearly].flatMap((x) => [x, source.normal()]), 40, 2);
    const pipeline = fitPipeline("power", train);
    const { lambdas, highest } = pipeline.state.arrays as { lambdas: Float64Array; highest: Float64Array };
    assert(lambdas[0]! > 160, `the parameter ${lambdas[0]} is large enough to overflow`);
    const far = fromRowMajor([1e9, 1, 0, 9], 2, 2);
    const [byCell, byTable] = [pipeline.transform(far), pipeline.transform(far, "table")];
    assert([...byCell.data, ...byTable.data].every(Number.isFinite));
    assertEquals(byCell.data[0], byTable.data[0]);
    assertEquals(columnOf(byCell, 1)[1], pipeline.transform(fromRowMajor([0, 9], 1, 2)).data[1]);
    assert(columnOf(byTable, 1)[1]! < columnOf(byCell, 1)[1]!);
    assert(highest[1]! < 9);
  });

  test("leaves its input as it was", () => {
    const train = column([3, 1, 2]);
    fitTransform("quantile_rtdl", train);
    assertEquals([...train.data], [3, 1, 2]);
  });

  test("refuses no rows, a bad threshold, an unknown method and other columns", () => {
    assertThrows(() => fitPipeline("none", zeros(0, 2)), RangeError, "no rows");
    assertThrows(() => fitPipeline("none", zeros(2, 2), { outlierThreshold: NaN }), RangeError, "threshold");
    assertThrows(() => fitPipeline("toString" as NormMethod, zeros(2, 2)), TypeError, '"quantile_rtdl"');
    assertThrows(() => fitPipeline("none", zeros(2, 2)).transform(zeros(2, 3)), RangeError, "3 columns");
  });

  test("spends under 4 seconds on 100,000 rows of 10 columns with the power method", () => {
    const table = fromRowMajor(random(8).normals(1_000_000), 100_000, 10);
    const start = performance.now();
    fitTransform("power", table);
    assert(performance.now() - start < 4000);
  });
});

describe("restorePipeline()", () => {
  const { state } = fitPipeline("robust", column([1, 2, 3]));

  test("refuses states that are not whole", () => {
    const { center: _, ...rest } = state.arrays as { center: Float64Array };
    assertThrows(() => restorePipeline({ ...state, arrays: rest }), TypeError, '"center"');
    assertThrows(() => restorePipeline({ ...state, columns: 2 }), RangeError, '"mean"');
    assertThrows(() => restorePipeline({ ...state, columns: -1 }), RangeError);
    assertThrows(() => restorePipeline({ ...state, method: "__proto__" }), TypeError);
    assertThrows(
      () => restorePipeline({ ...state, arrays: { ...state.arrays, scale: [NaN] } }),
      RangeError,
      '"scale"',
    );
  });
});

describe("yeoJohnson() and fitPower()", () => {
  test("1 is the identity; 0 and 2 are the logarithms", () => {
    const z = Float64Array.of(-3, -0.5, 0, 0.5, 3);
    const of = (lambda: number) => {
      const copy = z.slice();
      yeoJohnson(copy, lambda);
      return copy;
    };
    of(1).forEach((x, i) => assertAlmostEquals(x, z[i]!, 1e-15));
    assertAlmostEquals(of(0)[4]!, Math.log(4), 1e-15);
    assertAlmostEquals(of(2)[0]!, -Math.log(4), 1e-15);
  });

  test("finds a minimum of the likelihood on skewed columns", () => {
    const source = random(9);
    const skewed = Float64Array.from({ length: 300 }, () => Math.exp(source.normal()) - 1);
    const cost = (lambda: number) => {
      const y = skewed.slice();
      yeoJohnson(y, lambda);
      const mean = y.reduce((sum, x) => sum + x, 0) / y.length;
      const variance = y.reduce((sum, x) => sum + (x - mean) ** 2, 0) / y.length;
      const logs = skewed.reduce((sum, x) => sum + Math.sign(x) * Math.log1p(Math.abs(x)), 0);
      return y.length / 2 * Math.log(variance) - (lambda - 1) * logs;
    };
    const lambda = fitPower(skewed);
    for (const step of [-0.5, -0.01, 0.01, 0.5]) assert(cost(lambda) < cost(lambda + step));
  });

  test("gives 1 for constant columns and leaves the bracket for near-constant ones", () => {
    assertEquals(fitPower(new Float64Array(20).fill(0.5)), 1);
    const nearly = Float64Array.from({ length: 40 }, (_, i) => 1e-3 * Math.expm1(i / 8));
    assert(Math.abs(fitPower(nearly)) > 10);
  });
});

describe("quantiles", () => {
  test("are linear between neighbours", () => {
    const sorted = Float64Array.of(1, 2, 4, 8);
    assertEquals([0, 0.25, 0.5, 1].map((place) => quantileOfSorted(sorted, place)), [1, 1.75, 3, 8]);
    assertEquals(quantileOfSorted(Float64Array.of(6), 0.3), 6);
    assertEquals([...quantileReferences(1)], [0]);
    assertEquals([...quantileReferences(5)], [0, 0.25, 0.5, 0.75, 1]);
  });

  test("never decrease and map ties to the middle of their places", () => {
    const values = Float64Array.from({ length: 101 }, (_, i) => i < 40 ? 0 : i < 60 ? 1 : 2);
    const quantiles = fitQuantiles(values, quantileReferences(101));
    assert(quantiles.every((q, i) => i === 0 || q >= quantiles[i - 1]!));
    const { pipeline } = fitTransform("quantile", column(values));
    assertAlmostEquals(columnOf(pipeline.transform(column([1])), 0)[0]!, -0.0126, 0.01);
  });

  test("of long tables are fitted on 10,000 different rows", () => {
    assertEquals(subsampleRows(10_000, 42), undefined);
    const rows = subsampleRows(10_050, 42)!;
    assertEquals(new Set(rows).size, 10_000);
    assertEquals(subsampleRows(10_050, 42), rows);
  });
});

describe("outliers", () => {
  test("are pulled to a logarithm's distance of the bounds", () => {
    const values = Float64Array.of(-10, -1, 0, 1, 50);
    applyBounds(values, { lower: -2, upper: 3 });
    assertEquals([...values], [-2 - Math.log1p(10), -1, 0, 1, 3 + Math.log1p(50)]);
  });

  test("do not widen the bounds that they leave", () => {
    const source = random(3);
    const normals = Float64Array.from(source.normals(500));
    const clean = fitBounds(normals, 4);
    const { upper } = fitBounds(Float64Array.of(...normals, 60), 4);
    assertAlmostEquals(upper, clean.upper, 0.05);
  });

  test("leave bounds even when the threshold throws away every value", () => {
    const bounds = fitBounds(Float64Array.of(-1, 1, -1, 1), 0.5);
    assert(Number.isFinite(bounds.lower) && bounds.lower < bounds.upper);
  });
});

describe("uniqueFilter() and the matrix", () => {
  test("drops constant columns, but none of a table of one row", () => {
    const table = fromRowMajor([1, 2, 3, 1, 5, 3], 2, 3);
    assertEquals([...uniqueFilter(table)], [0, 1, 0]);
    assertEquals([...keepColumns(table, uniqueFilter(table)).data], [2, 5]);
    assertEquals([...uniqueFilter(fromRowMajor([1, 2], 1, 2))], [1, 1]);
  });

  test("writes float32 rows in any column order", () => {
    const table = fromRowMajor([1, 2, 3, 4], 2, 2);
    assertEquals([...toFloat32Rows(table)], [1, 2, 3, 4]);
    assertEquals([...toFloat32Rows(table, [1, 0], new Float32Array(5), 1)], [0, 2, 1, 4, 3]);
    assertThrows(() => toFloat32Rows(table, [0, 1], new Float32Array(3)), RangeError);
    assertThrows(() => fromRowMajor([1, 2, 3], 2, 2), RangeError);
    assertThrows(() => keepColumns(table, [1]), RangeError);
  });
});
