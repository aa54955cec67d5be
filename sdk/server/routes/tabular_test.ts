import { describe, test } from "node:test";
import { assertEquals } from "../../testing/assert.ts";
import { refused, TRAIN, withServer } from "./_tabular_test_client.ts";

const PATH = "/v1/tabular/predict";
const CSV = "a,b,kind\n1,x,small\n2,,\n2,y,big\n1,,\n";

describe("predictions of CSV behind a real server", () => {
  test("rows with a target are learned, rows without one predicted", async () => {
    await withServer({}, async ({ send, classifier }) => {
      const response = await send("POST", `${PATH}?target=kind`, CSV);
      const { predictions } = await response.json();
      assertEquals(predictions.map(({ label }: { label: string }) => label), ["big", "small"]);
      assertEquals(classifier.predicted, [{ a: [2, 1], b: [null, null] }]);
      assertEquals(classifier.live, 0);
    });
  });

  test("the answer is CSV if the client wants it, whatever the body was", async () => {
    await withServer({}, async ({ send }) => {
      const expected = "predicted kind,probability big,probability small\nbig,1,0\n";
      const json = { train: TRAIN, target: "kind", rows: [{ a: 2 }] };
      for (const body of [json, "a,kind\n1,small\n2,big\n2,\n"]) {
        const response = await send("POST", `${PATH}?target=kind`, body, { accept: "text/csv" });
        assertEquals([response.status, await response.text()], [200, expected]);
      }
    });
  });

  test("a byte order mark and CRLF are read", async () => {
    await withServer({}, async ({ send }) => {
      const response = await send("POST", `${PATH}?target=kind`, "\ufeffkind,a\r\nsmall,1\r\n,1\r\n");
      assertEquals((await response.json()).classes, ["small"]);
    });
  });

  const bad: [name: string, csv: string, status: number, code: string][] = [
    ["nothing is to be learned", "a,kind\n1,\n", 422, "missing_target"],
    ["nothing is to be predicted", "a,kind\n1,x\n", 422, "missing_target"],
    ["the target is no column", "a,b\n1,x\n", 422, "unknown_target"],
    ["there is only the target", "kind\nx\ny\n", 422, "no_features"],
    ["too many rows are to be predicted", `a,kind\n1,x\n${"1,\n".repeat(4)}`, 413, "too_many_rows"],
    ["too many rows are to be learned", `a,kind\n1,\n${"1,x\n".repeat(5)}`, 413, "too_many_rows"],
    ["a row is ragged", "a,kind\n1,x,2\n", 400, "invalid_csv"],
  ];
  for (const [name, csv, status, code] of bad) {
    test(`CSV is refused with ${status} when ${name}`, async () => {
      await withServer({ limits: { trainRows: 4, rows: 3 } }, async ({ send }) => {
        await refused(await send("POST", `${PATH}?target=kind`, csv), status, code);
      });
    });
  }
});
