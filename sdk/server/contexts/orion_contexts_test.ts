import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { OrionMSPClassifier } from "../../../tabular/mod.ts";
import { openDevice } from "../../device/mod.ts";
import { assertAlmostEquals, assertEquals } from "../../testing/assert.ts";
import { listen } from "../_listen_test_server.ts";
import { createHandler } from "../create_handler.ts";
import { directoryStore } from "../stores/directory.ts";

const TRAIN = Array.from({ length: 24 }, (_, i) => ({
  size: i % 4 + i / 24,
  colour: i % 3 === 0 ? "red" : "blue",
  kind: i % 4 < 2 ? "small" : "big",
}));
const ROWS = [{ size: 0.2, colour: "red" }, { size: 3.5, colour: "blue" }, { size: 1.9, colour: null }];
const PATH = "/v1/tabular/contexts";

describe("fitted contexts of Orion-MSP", () => {
  test("predict over HTTP what the library predicts, in another server and from their file as well", async () => {
    const directory = await mkdtemp(join(tmpdir(), "filigree-contexts-"));
    const device = await openDevice();
    const classifier = await OrionMSPClassifier.load({ device });
    const servers = [1, 2].map(() => {
      const app = createHandler({ classifier, store: directoryStore(directory) });
      return listen((request) => app.fetch(request));
    });
    const [first, second] = servers.map(({ url }) => url) as [string, string];
    const send = (url: string, body: unknown): Promise<Response> =>
      fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const predict = async (url: string): Promise<number[][]> => {
      const { classes, predictions } = await (await send(url, { rows: ROWS })).json();
      assertEquals(classes, ["big", "small"]);
      return predictions.map((
        { probabilities: { big, small } }: { probabilities: Record<string, number> },
      ) => [big, small]);
    };
    try {
      await classifier.fit(
        TRAIN.map(({ size, colour }) => ({ size, colour })),
        TRAIN.map(({ kind }) => kind),
      );
      const expected = await classifier.predictProba(ROWS);
      const close = (found: number[][]): void =>
        found.flat().forEach((p, i) => assertAlmostEquals(p, expected.flat()[i]!, 1e-3));

      const { id } = await (await send(first + PATH, { train: TRAIN, target: "kind" })).json();
      close(await predict(`${first}${PATH}/${id}/predict`));
      close(await predict(`${second}${PATH}/${id}/predict`));

      const file = new Uint8Array(await (await fetch(`${first}${PATH}/${id}/file`)).arrayBuffer());
      const restored = await OrionMSPClassifier.restore(file, { device });
      close(await restored.predictProba(ROWS));
      restored.dispose();

      const headers = { "content-type": "application/octet-stream" };
      const upload = await fetch(second + PATH, { method: "POST", headers, body: file });
      const copy = await upload.json();
      assertEquals(copy.columns, [{ name: "size", type: "number" }, { name: "colour", type: "text" }]);
      close(await predict(`${second}${PATH}/${copy.id}/predict`));

      for (
        const broken of [
          file.subarray(0, 1000),
          file.map((byte, i) => i === 9 ? 0 : byte),
          new Uint8Array(0),
        ]
      ) {
        const refused = await fetch(second + PATH, { method: "POST", headers, body: broken });
        assertEquals([refused.status, (await refused.json()).error.code], [422, "invalid_context"]);
      }
    } finally {
      for (const server of servers) await server.close();
      classifier.dispose();
      device.dispose();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
