import { describe, test } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../testing/assert.ts";
import { fakeClassifier } from "../_fake_test_classifier.ts";
import { memoryStore } from "../stores/memory.ts";
import { TRAIN, TRAIN_CSV, withServer } from "./_tabular_test_client.ts";

const PATH = "/v1/tabular/contexts";
const ROWS = { rows: [{ a: 2 }, { b: "y", a: 1 }] };

describe("fitted contexts behind a real server", () => {
  test("a context is learned from JSON, described, used and deleted", async () => {
    await withServer({}, async ({ send, classifier }) => {
      const made = await send("POST", PATH, { train: TRAIN, target: "kind" });
      const { id, created, bytes, timings, ...known } = await made.json();
      assertEquals([made.status, made.headers.get("location")], [201, `${PATH}/${id}`]);
      assertMatch(id, /^ctx_[0-9a-f]{32}$/);
      assertEquals(known, {
        object: "tabular.context",
        model: "orion-msp",
        target: "kind",
        classes: ["big", "small"],
        columns: [{ name: "a", type: "number" }, { name: "b", type: "text" }, { name: "c", type: "boolean" }],
        rows: 3,
      });
      assert(timings.fitMs >= 0 && timings.waitMs >= 0);
      const found = await send("GET", `${PATH}/${id}`);
      assertEquals(await found.json(), { id, created, bytes, ...known });

      const answer = await send("POST", `${PATH}/${id}/predict`, ROWS);
      const { predictions, classes, model } = await answer.json();
      assertEquals([answer.status, classes, model], [200, ["big", "small"], "orion-msp"]);
      assertEquals(predictions, [
        { label: "big", probabilities: { big: 1, small: 0 } },
        { label: "small", probabilities: { big: 0, small: 1 } },
      ]);
      assertEquals(classifier.predicted, [{ a: [2, 1], b: [null, "y"], c: [null, null] }]);

      const gone = await send("DELETE", `${PATH}/${id}`);
      assertEquals(await gone.json(), { id, object: "tabular.context", deleted: true });
      for (
        const [method, path] of [["GET", ""], ["DELETE", ""], ["GET", "/file"], ["POST", "/predict"]] as const
      ) {
        const response = await send(method, `${PATH}/${id}${path}`, method === "POST" ? ROWS : undefined);
        assertEquals([response.status, (await response.json()).error.code], [404, "unknown_context"]);
      }
      assertEquals([classifier.live, classifier.restored], [0, 0]);
    });
  });

  test("a context learned from CSV answers with CSV and reads cells as it learned them", async () => {
    await withServer({}, async ({ send, classifier }) => {
      const csv = "a,code,kind\n1,007,small\n1,x,small\n2,8,big\n";
      const { id } = await (await send("POST", `${PATH}?target=kind`, csv)).json();
      const answer = await send("POST", `${PATH}/${id}/predict`, "code,a,kind\n007,2,\n1e3,1,\n", {
        accept: "text/csv",
      });
      assertStringIncludes(answer.headers.get("content-type") ?? "", "text/csv");
      assertEquals(
        await answer.text(),
        "predicted kind,probability big,probability small\nbig,1,0\nsmall,0,1\n",
      );
      assertEquals(classifier.predicted, [{ a: [2, 1], code: ["007", "1e3"] }]);
      const json = await send("POST", `${PATH}/${id}/predict`, "a\n2\n", {
        accept: "application/json, text/csv",
      });
      assertEquals((await json.json()).predictions[0].label, "big");
    });
  });

  test("the file of a context that is downloaded and uploaded predicts the same", async () => {
    await withServer({}, async ({ send, learn, classifier }) => {
      const id = await learn();
      const download = await send("GET", `${PATH}/${id}/file`);
      assertEquals(
        [download.headers.get("content-type"), download.headers.get("content-disposition")],
        ["application/octet-stream", `attachment; filename="${id}.safetensors"`],
      );
      const upload = await send("POST", PATH, new Uint8Array(await download.arrayBuffer()));
      const copy = await upload.json();
      assertEquals([upload.status, copy.classes, copy.columns, copy.target], [
        201,
        ["big", "small"],
        null,
        null,
      ]);
      assert(copy.id !== id);
      const rows = { rows: [{ a: 1 }, { a: 2 }] };
      const answers = await Promise.all(
        [id, copy.id].map(async (one) =>
          (await (await send("POST", `${PATH}/${one}/predict`, rows)).json()).predictions
        ),
      );
      assertEquals(answers[0], answers[1]);
      assertEquals(classifier.restored, 1);
    });
  });

  test("two handlers over one store know the same contexts", async () => {
    const store = memoryStore();
    await withServer({ store }, async (first) => {
      await withServer({ store }, async (second) => {
        const id = await first.learn();
        const answer = await second.send("POST", `${PATH}/${id}/predict`, ROWS);
        assertEquals([answer.status, (await answer.json()).predictions[0].label], [200, "big"]);
        assertEquals([second.classifier.restored, first.classifier.restored], [1, 0]);
        assertEquals((await second.send("DELETE", `${PATH}/${id}`)).status, 200);
        // The first one still holds it on its device, but the store has it no more.
        assertEquals((await first.send("POST", `${PATH}/${id}/predict`, ROWS)).status, 404);
      });
    });
  });

  test("contexts that were not used for longest leave the device and come back from the store", async () => {
    await withServer({ limits: { contexts: 2 } }, async ({ send, learn, classifier }) => {
      const ids = [await learn(), await learn(), await learn()];
      assertEquals([classifier.live, classifier.restored], [2, 0]);
      for (const id of [...ids, ids[2], ids[0]]) {
        assertEquals((await send("POST", `${PATH}/${id}/predict`, ROWS)).status, 200);
      }
      assertEquals([classifier.live, classifier.restored], [2, 4]);
    });
    await withServer({ limits: { contextBytes: 1 } }, async ({ send, learn, classifier }) => {
      const id = await learn();
      assertEquals(classifier.live, 0);
      assertEquals((await send("POST", `${PATH}/${id}/predict`, ROWS)).status, 200);
      assertEquals(classifier.live, 0);
    });
  });

  test("rows of many requests that wait for one context are computed together, each gets its own", async () => {
    await withServer({}, async ({ send, learn, classifier }) => {
      const [one, other] = [await learn(), await learn()];
      const gate = Promise.withResolvers<void>();
      classifier.gate = gate.promise;
      const asked = Array.from({ length: 24 }, (_, i) => ({ id: i % 3 === 0 ? other : one, a: 1 + i % 2 }));
      const pending = asked.map(({ id, a }) => send("POST", `${PATH}/${id}/predict`, { rows: [{ a }] }));
      while (classifier.predicted.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, 100));
      gate.resolve();
      const answers = await Promise.all(pending.map(async (response) => (await response).json()));
      assertEquals(
        answers.map(({ predictions }) => predictions.map(({ label }: { label: string }) => label)),
        asked.map(({ a }) => [a === 1 ? "small" : "big"]),
      );
      assert(classifier.predicted.length <= 4, `${classifier.predicted.length} computations`);
    });
  });

  test("names like __proto__ are plain columns and classes", async () => {
    await withServer({}, async ({ send, classifier }) => {
      const body = '{"train":[{"__proto__":1,"k":"__proto__"},{"__proto__":2,"k":"x"}],"target":"k"}';
      const { id, classes } = await (await send("POST", PATH, body, { "content-type": "application/json" }))
        .json();
      assertEquals(classes, ["__proto__", "x"]);
      const rows = '{"rows":[{"__proto__":1}]}';
      const answer = await send("POST", `${PATH}/${id}/predict`, rows, {
        "content-type": "application/json",
      });
      const text = await answer.text();
      assertStringIncludes(text, '"label":"__proto__","probabilities":{"__proto__":1,"x":0}');
      assertEquals(Object.entries(classifier.predicted[0]!), [["__proto__", [1]]]);
      const csv = await send("POST", `${PATH}?target=constructor`, "__proto__,constructor\n1,x\n2,y\n");
      assertEquals((await csv.json()).columns, [{ name: "__proto__", type: "number" }]);
    });
  });

  test("a server without contexts of its own kind says so", async () => {
    const { fork } = fakeClassifier();
    const classifier = { ...fakeClassifier(), fork };
    delete (classifier as { restore?: unknown }).restore;
    await withServer({ classifier }, async ({ send }) => {
      const response = await send("POST", `${PATH}?target=kind`, TRAIN_CSV);
      assertEquals([response.status, (await response.json()).error.code], [501, "not_implemented"]);
    });
  });
});
