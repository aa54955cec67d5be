import { describe, test } from "node:test";
import { assertEquals } from "../../testing/assert.ts";
import { refused, withServer } from "./_tabular_test_client.ts";

const A = { name: "a", shape: [2], datatype: "FP64", data: [2, 1] };

describe("KServe's protocol behind a real server", () => {
  test("health, the server and its model are described, health without a token", async () => {
    await withServer({ auth: { tokens: ["ada"] }, model: "m" }, async ({ send }) => {
      const get = async (path: string, authorization = "Bearer ada"): Promise<unknown> => {
        const response = await send("GET", path, undefined, { authorization });
        return [response.status, await response.json()];
      };
      assertEquals(await get("/v2/health/live", ""), [200, { live: true }]);
      assertEquals(await get("/v2/health/ready", ""), [200, { ready: true }]);
      assertEquals(await get("/v2"), [200, { name: "filigree", version: "1", extensions: [] }]);
      assertEquals(await get("/v2/models"), [200, { models: [{ name: "m", ready: true }] }]);
      assertEquals(await get("/v2/models/m/ready"), [200, { name: "m", ready: true }]);
      assertEquals(await get("/v2/models/m"), [200, {
        name: "m",
        versions: ["1"],
        platform: "filigree_tabular",
        inputs: [],
        outputs: [],
      }]);
      assertEquals((await send("GET", "/v2/models")).status, 401);
    });
  });

  test("a server whose model is still being loaded is not ready", async () => {
    await withServer({ classifier: new Promise(() => {}) as never }, async ({ send }) => {
      const ready = await send("GET", "/v2/health/ready");
      assertEquals([ready.status, await ready.json()], [503, { ready: false }]);
      assertEquals((await send("GET", "/v2/health/live")).status, 200);
    });
  });

  test("a fitted context is a model whose tensors are its columns", async () => {
    await withServer({}, async ({ send, learn, classifier }) => {
      const id = await learn();
      const { inputs, outputs } = await (await send("GET", `/v2/models/${id}`)).json();
      assertEquals(inputs, [
        { name: "a", datatype: "FP64", shape: [-1] },
        { name: "b", datatype: "BYTES", shape: [-1] },
        { name: "c", datatype: "BOOL", shape: [-1] },
      ]);
      assertEquals(outputs, [
        { name: "label", datatype: "BYTES", shape: [-1] },
        { name: "probabilities", datatype: "FP64", shape: [-1, 2] },
        { name: "classes", datatype: "BYTES", shape: [2] },
      ]);
      const b = { name: "b", shape: [2, 1], datatype: "BYTES", data: [["x"], [null]] };
      const c = { name: "c", shape: [2, 1], datatype: "BOOL", data: [true, false] };
      const response = await send("POST", `/v2/models/${id}/infer`, { id: "42", inputs: [A, b, c] });
      assertEquals([response.status, await response.json()], [200, {
        model_name: id,
        model_version: "1",
        id: "42",
        outputs: [
          { name: "label", datatype: "BYTES", shape: [2], data: ["big", "small"] },
          { name: "probabilities", datatype: "FP64", shape: [2, 2], data: [1, 0, 0, 1] },
          { name: "classes", datatype: "BYTES", shape: [2], data: ["big", "small"] },
        ],
      }]);
      assertEquals(classifier.predicted, [{ a: [2, 1], b: ["x", null], c: [true, false] }]);
      const some = await send("POST", `/v2/models/${id}/infer`, {
        inputs: [A],
        outputs: [{ name: "label" }],
      });
      assertEquals((await some.json()).outputs.map(({ name }: { name: string }) => name), ["label"]);
    });
  });

  test("classes keep their type", async () => {
    await withServer({}, async ({ send, learn }) => {
      for (
        const [labels, datatype] of [[[7, 8], "FP64"], [[false, true], "BOOL"], [[1, "x"], "BYTES"]] as const
      ) {
        const id = await learn({ train: labels.map((k, i) => ({ a: i + 1, k })), target: "k" });
        const { outputs } = await (await send("POST", `/v2/models/${id}/infer`, { inputs: [A] })).json();
        const expected = datatype === "BYTES" ? labels.map(String) : labels;
        assertEquals([outputs[0].datatype, outputs[0].data], [datatype, [...expected].reverse()]);
      }
    });
  });

  const bad: [name: string, body: unknown, status: number, code: string, param: string | null][] = [
    ["there are no inputs", { inputs: [] }, 400, "invalid_body", "inputs"],
    ["a field is unknown", { inputs: [A], rows: [] }, 400, "invalid_body", "rows"],
    ["a tensor has no data", { inputs: [{ ...A, data: undefined }] }, 400, "invalid_body", "inputs[0].data"],
    ["a size is negative", { inputs: [{ ...A, shape: [-1] }] }, 400, "invalid_body", "inputs[0].shape[0]"],
    [
      "a tensor is empty",
      { inputs: [{ ...A, shape: [0], data: [] }] },
      400,
      "invalid_tensor",
      "inputs[0].shape",
    ],
    [
      "a tensor has two columns",
      { inputs: [{ ...A, shape: [1, 2] }] },
      400,
      "invalid_tensor",
      "inputs[0].shape",
    ],
    [
      "data do not fit the shape",
      { inputs: [{ ...A, shape: [3] }] },
      400,
      "invalid_tensor",
      "inputs[0].data",
    ],
    [
      "data do not fit the type",
      { inputs: [{ ...A, datatype: "BYTES" }] },
      400,
      "invalid_tensor",
      "inputs[0].data",
    ],
    [
      "a type is unknown",
      { inputs: [{ ...A, datatype: "FP8" }] },
      400,
      "invalid_tensor",
      "inputs[0].datatype",
    ],
    ["a column comes twice", { inputs: [A, A] }, 400, "invalid_tensor", "inputs[1].name"],
    [
      "columns differ in length",
      { inputs: [A, { ...A, name: "b", shape: [1] }] },
      400,
      "invalid_tensor",
      "inputs[1].shape",
    ],
    [
      "an output is unknown",
      { inputs: [A], outputs: [{ name: "x" }] },
      400,
      "invalid_tensor",
      "outputs[0].name",
    ],
    ["a column was not learned", { inputs: [{ ...A, name: "z" }] }, 422, "unknown_column", "rows"],
    ["there are too many rows", { inputs: [{ ...A, shape: [11] }] }, 413, "too_many_rows", "inputs"],
  ];
  test("requests that do not fit are refused with the place of what is wrong", async () => {
    await withServer({ limits: { rows: 10 } }, async ({ send, learn }) => {
      const id = await learn();
      for (const [name, body, status, code, param] of bad) {
        const error = await refused(await send("POST", `/v2/models/${id}/infer`, body), status, code);
        assertEquals([name, error.param], [name, param]);
      }
      await refused(await send("POST", `/v2/models/nope/infer`, { inputs: [A] }), 404, "unknown_context");
      await refused(
        await send("POST", `/v2/models/orion-msp/infer`, { inputs: [A] }),
        422,
        "nothing_learned",
      );
    });
  });
});
