import { describe, test } from "node:test";
import { openDevice } from "../device/mod.ts";
import { assert, assertEquals } from "../testing/assert.ts";
import { errorsOf } from "./_errors_test_console.ts";
import { main, report } from "./context.ts";
import { CONTEXT_LINEUP, measureContext } from "./context_lineup.ts";
import { bundledHalves } from "./context_tables.ts";
import { generateTable } from "./generated_table.ts";

describe("deno task context", () => {
  test("loses at most one point on the bundled tables as int8, as int4 and as bitmaps of half the elements", async () => {
    using device = await openDevice({ prefer: "wasm", threads: 1 });
    const tables = [...(await bundledHalves(2)).values()].flat();
    const measured = async (title: string): Promise<{ accuracy: number; bytes: number }> =>
      await measureContext(device, CONTEXT_LINEUP.find((one) => one.title === title)!, tables, 2);
    const whole = await measured("dense f16");
    for (const title of ["int8", "int4", "bitmap 0.5"]) {
      const { accuracy, bytes } = await measured(title);
      assert(accuracy >= whole.accuracy - 0.01, `${title}: ${accuracy}, all of it: ${whole.accuracy}`);
      assert(bytes < 0.85 * whole.bytes, `${title}: ${bytes} bytes, all of it: ${whole.bytes}`);
    }
    assertEquals(device.report.bytes, 0);
  });

  test("generates the same rows for the same seed, in classes of which none is rare", () => {
    const { X, y } = generateTable(300);
    assertEquals(generateTable(20), { X: X.slice(0, 20), y: y.slice(0, 20) });
    for (const label of "abc") assert(y.filter((one) => one === label).length > 30, label);
    assert(generateTable(1, 1).X[0]![0] !== X[0]![0]);
  });

  test("prints a row per setting", () => {
    const text = report([
      { title: "dense f16", accuracy: 0.987, logLoss: 0.05, bytes: 2.1e7, rowMs: 1.5, oneMs: 7.25 },
    ]);
    assertEquals(text.split("\n"), [
      "context    accuracy  log-loss     file      row    alone",
      "─────────  ────────  ────────  ───────  ───────  ───────",
      "dense f16    98.7 %    0.0500  21.0 MB  1.50 ms  7.25 ms",
    ]);
  });

  test("exits with 2 for options that it does not know", async () => {
    const lines = await errorsOf(async () => {
      assertEquals(await main(["--device", "abacus"]), 2);
      assertEquals(await main(["--rows", "few"]), 2);
      assertEquals(await main(["--members", "0"]), 2);
    });
    assertEquals(
      lines[1]!.startsWith("Cannot use --rows few: expected a whole number from 0\n"),
      true,
    );
  });
});
