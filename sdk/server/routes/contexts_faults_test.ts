import { describe, test } from "node:test";
import { assertEquals, assertStringIncludes } from "../../testing/assert.ts";
import { fakeClassifier } from "../_fake_test_classifier.ts";
import { directoryStore } from "../stores/directory.ts";
import { memoryStore } from "../stores/memory.ts";
import { type ContextStore, StoreReadOnlyError } from "../stores/store.ts";
import { refused, TRAIN, TRAIN_CSV, withServer } from "./_tabular_test_client.ts";

const PATH = "/v1/tabular/contexts";
const GOOD = { train: TRAIN, target: "kind" };
const ROWS = { rows: [{ a: 2 }] };
const JSON_TYPE = { "content-type": "application/json" };
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe("bad requests for fitted contexts, behind a real server", () => {
  const bad: [name: string, body: unknown, headers: Record<string, string>, status: number, code: string][] =
    [
      [
        "the type of the content is wrong",
        "a,b",
        { "content-type": "text/plain" },
        415,
        "unsupported_media_type",
      ],
      ["the body is missing", undefined, JSON_TYPE, 400, "invalid_json"],
      ["the JSON is very deep", "[".repeat(200_000), JSON_TYPE, 400, "invalid_json"],
      ["the JSON is deep and closed", "[".repeat(5000) + "]".repeat(5000), JSON_TYPE, 400, "invalid_body"],
      ["the JSON is not UTF-8", Uint8Array.of(0x22, 0xff, 0x22), JSON_TYPE, 400, "invalid_json"],
      ["a field is unknown", { ...GOOD, rows: [] }, {}, 400, "invalid_body"],
      ["a cell is an object", { train: [{ a: {}, kind: 1 }], target: "kind" }, {}, 400, "invalid_cell"],
      ["the target is nowhere", { ...GOOD, target: "nope" }, {}, 422, "unknown_target"],
      ["a row has no target", { ...GOOD, train: [...TRAIN, { a: 1 }] }, {}, 422, "missing_target"],
      ["there are too many rows", { ...GOOD, train: Array(21).fill(TRAIN[0]) }, {}, 413, "too_many_rows"],
      [
        "there are too many columns",
        { train: [{ a: 1, b: 1, c: 1, d: 1, kind: "x" }], target: "kind" },
        {},
        413,
        "too_many_columns",
      ],
      [
        "there are too many classes",
        { train: [1, 2, 3, 4].map((kind) => ({ a: 1, kind })), target: "kind" },
        {},
        413,
        "too_many_classes",
      ],
      ["the body is too long", `"${"x".repeat(600_000)}"`, JSON_TYPE, 413, "request_too_large"],
      ["a row of the CSV is ragged", "a,kind\n1,x\n2\n", {}, 400, "invalid_csv"],
      ["a quote of the CSV is never closed", 'a,kind\n"1,x\n', {}, 400, "invalid_csv"],
      ["the CSV names a column twice", "a,a,kind\n1,2,x\n", {}, 400, "invalid_csv"],
      ["the CSV is not UTF-8", Uint8Array.of(0x61, 0xff), { "content-type": "text/csv" }, 400, "invalid_csv"],
      ["the CSV is empty", "", {}, 400, "invalid_csv"],
      [
        "the CSV is in another encoding",
        "a",
        { "content-type": "text/csv; charset=latin1" },
        415,
        "unsupported_media_type",
      ],
      ["the CSV is compressed", "a", { "content-encoding": "gzip" }, 415, "unsupported_media_type"],
      ["the CSV has too many rows", `a,kind\n${"1,x\n".repeat(21)}`, {}, 413, "table_too_large"],
      ["the CSV has a line of commas", ",".repeat(400_000), {}, 413, "table_too_large"],
      ["a row of the CSV has no target", "a,kind\n1,\n2,x\n", {}, 422, "missing_target"],
      ["the CSV has no rows", "a,kind\n", {}, 400, "invalid_csv"],
    ];
  const limits = { trainRows: 20, rows: 10, columns: 3, classes: 3, bodyBytes: 500_000 };
  for (const [name, body, headers, status, code] of bad) {
    test(`a context is refused with ${status} when ${name}`, async () => {
      await withServer({ limits }, async ({ send, classifier }) => {
        await refused(await send("POST", `${PATH}?target=kind`, body, headers), status, code);
        assertEquals(classifier.live, 0);
        // The server goes on.
        assertEquals((await send("POST", `${PATH}?target=kind`, TRAIN_CSV)).status, 201);
      });
    });
  }

  test("CSV without the name of the target is refused", async () => {
    await withServer({}, async ({ send }) => {
      const error = await refused(await send("POST", PATH, TRAIN_CSV), 400, "missing_target");
      assertEquals(error.param, "target");
    });
  });

  test("predictions are refused when rows do not fit the context", async () => {
    await withServer({ limits }, async ({ send, learn }) => {
      const path = `${PATH}/${await learn()}/predict`;
      await refused(await send("POST", path, { rows: [{ z: 1 }] }), 422, "unknown_column");
      await refused(await send("POST", path, "a,z\n1,2\n"), 422, "unknown_column");
      await refused(await send("POST", path, "a\nx\n"), 400, "invalid_csv");
      await refused(await send("POST", path, { rows: [] }), 400, "invalid_body");
      await refused(await send("POST", path, { ...ROWS, seed: 1 }), 400, "invalid_body");
      await refused(await send("POST", path, { rows: Array(11).fill({ a: 1 }) }), 413, "too_many_rows");
      await refused(await send("POST", path, `a\n${"1\n".repeat(11)}`), 413, "table_too_large");
      await refused(await send("POST", path, "a\n"), 400, "invalid_csv");
    });
  });

  test("an id that is unknown, or no id, is 404", async () => {
    await withServer({}, async ({ send }) => {
      for (
        const id of [
          `ctx_${"0".repeat(32)}`,
          "ctx_1",
          "x",
          "..%2f..%2fetc%2fpasswd",
          "__proto__",
          "%00",
          "a".repeat(5000),
        ]
      ) {
        await refused(await send("GET", `${PATH}/${id}`), 404, "unknown_context");
        await refused(await send("POST", `${PATH}/${id}/predict`, ROWS), 404, "unknown_context");
        await refused(await send("DELETE", `${PATH}/${id}`), 404, "unknown_context");
      }
    });
  });

  test("a context of another user is 404 in every way", async () => {
    await withServer({ auth: { tokens: ["ada", "bob"] } }, async ({ send, learn }) => {
      const id = await learn(GOOD, bearer("ada"));
      assertEquals((await send("GET", `${PATH}/${id}`, undefined, bearer("ada"))).status, 200);
      for (
        const [method, path, body] of [
          ["GET", `${PATH}/${id}`],
          ["GET", `${PATH}/${id}/file`],
          ["DELETE", `${PATH}/${id}`],
          ["POST", `${PATH}/${id}/predict`, ROWS],
          ["GET", `/v2/models/${id}`],
          ["GET", `/v2/models/${id}/ready`],
          ["POST", `/v2/models/${id}/infer`, {
            inputs: [{ name: "a", shape: [1], datatype: "FP64", data: [1] }],
          }],
        ] as const
      ) {
        await refused(await send(method, path, body, bearer("bob")), 404, "unknown_context");
        assertEquals((await send(method, path, body)).status, 401);
      }
      assertEquals((await send("POST", `${PATH}/${id}/predict`, ROWS, bearer("ada"))).status, 200);
      const text = await (await send("GET", `${PATH}/${id}`, undefined, bearer("ada"))).text();
      assertEquals([text.includes("owner"), text.includes("ada")], [false, false]);
    });
  });

  test("contexts that were made before tokens were asked for belong to nobody", async () => {
    const store = memoryStore();
    let id = "";
    await withServer({ store }, async ({ learn }) => {
      id = await learn();
    });
    await withServer({ store, auth: { tokens: ["ada"] } }, async ({ send }) => {
      await refused(await send("GET", `${PATH}/${id}`, undefined, bearer("ada")), 404, "unknown_context");
    });
  });

  test("a context of another version is 409, and a file of one is refused", async () => {
    const store = memoryStore();
    let id = "";
    let file = new Uint8Array();
    await withServer({ store }, async ({ send, learn }) => {
      id = await learn();
      file = new Uint8Array(await (await send("GET", `${PATH}/${id}/file`)).arrayBuffer());
      await store.put(`ctx_${"1".repeat(32)}`, { meta: { format: 99, owner: "" }, bytes: file });
    });
    await withServer({ store, classifier: fakeClassifier(2) }, async ({ send, classifier }) => {
      await refused(await send("POST", `${PATH}/${id}/predict`, ROWS), 409, "context_incompatible");
      await refused(await send("GET", `${PATH}/ctx_${"1".repeat(32)}`), 409, "context_incompatible");
      const error = await refused(await send("POST", PATH, file), 422, "invalid_context");
      assertStringIncludes(error.message, "Cannot restore the context");
      assertEquals((await send("DELETE", `${PATH}/${id}`)).status, 200);
      assertEquals(classifier.live, 0);
    });
  });

  test("an uploaded file that is too long is refused", async () => {
    await withServer({ limits: { uploadBytes: 1000 } }, async ({ send }) => {
      await refused(await send("POST", PATH, new Uint8Array(1001)), 413, "request_too_large");
    });
  });

  test("a store that is full answers 507, and what it has stays usable", async () => {
    await withServer(
      { store: memoryStore({ maxBytes: 1000 }) },
      async ({ send, learn, classifier, errors }) => {
        const id = await learn();
        await learn();
        const error = await refused(await send("POST", PATH, GOOD), 507, "store_full");
        assertEquals([error.type, classifier.live, errors.length], ["server_error", 2, 1]);
        assertEquals((await send("POST", `${PATH}/${id}/predict`, ROWS)).status, 200);
        await send("DELETE", `${PATH}/${id}`);
        assertEquals((await send("POST", PATH, GOOD)).status, 201);
      },
    );
  });

  test("a store that is read-only answers 500, and what it has stays usable", async () => {
    const writable = memoryStore();
    const readOnly = (): Promise<never> => Promise.reject(new StoreReadOnlyError("no"));
    const store: ContextStore = { ...writable, put: readOnly, delete: readOnly };
    let id = "";
    await withServer({ store: writable }, async ({ learn }) => {
      id = await learn();
    });
    await withServer({ store }, async ({ send, classifier, errors }) => {
      await refused(await send("POST", PATH, GOOD), 500, "store_read_only");
      await refused(await send("DELETE", `${PATH}/${id}`), 500, "store_read_only");
      assertEquals([classifier.live, errors.length], [0, 2]);
      assertEquals((await send("POST", `${PATH}/${id}/predict`, ROWS)).status, 200);
    });
  });

  test("a store that fails answers 500 and tells nothing of it", async () => {
    await withServer(
      { store: directoryStore("/dev/null/contexts") },
      async ({ send, classifier, errors }) => {
        const error = await refused(await send("POST", PATH, GOOD), 500, "internal_error");
        assertEquals([error.message.includes("/dev"), errors.length, classifier.live], [false, 1, 0]);
      },
    );
  });

  test("CSV is refused where the server does not have it", async () => {
    const options = { csv: undefined } as unknown as Parameters<typeof withServer>[0];
    await withServer(options, async ({ send, learn }) => {
      await refused(await send("POST", `${PATH}?target=kind`, TRAIN_CSV), 415, "unsupported_media_type");
      const path = `${PATH}/${await learn()}/predict`;
      await refused(await send("POST", path, ROWS, { accept: "text/csv" }), 406, "not_acceptable");
    });
  });
});
