/**
 * An edge function: it learns nothing, but answers from a context that was fitted elsewhere and is imported as a file
 * (`script.ts` makes it). One thread, no files, no network but the requests; the kernels are compiled before it starts.
 *
 *     deno serve --port 8000 --allow-net examples/edge_function.ts        (or: bun --port 8000 examples/edge_function.ts)
 *
 *     curl -s localhost:8000/predict -H 'content-type: application/json' \
 *       -d '{"rows": [{"sepal length": 5.1, "sepal width": 3.5, "petal length": 1.4, "petal width": 0.2}]}'
 *
 * `edge_build.ts` bundles it for platforms that take a script and its files.
 *
 * @module
 */
import { openDevice } from "../sdk/device/mod.ts";
import { createHandler } from "../sdk/server/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";
import { context } from "./data/iris_context.js";
import { kernels } from "./edge_kernels.ts";

const loaded = Promise.withResolvers<OrionMSPClassifier>();
const app = createHandler({ classifier: loaded.promise, onError: console.error });

/** Loads all with the first request, as some platforms allow no timers and random numbers before. Gives the context's path. */
async function start(): Promise<string> {
  const device = await openDevice({ wasm: kernels });
  loaded.resolve(await OrionMSPClassifier.load({ device }));
  const headers = { "content-type": "application/octet-stream" };
  const kept = await app.request("/v1/tabular/contexts", { method: "POST", headers, body: context });
  if (kept.status !== 201) throw new Error(`The context cannot be used: ${await kept.text()}`);
  return kept.headers.get("location")!;
}

let path: Promise<string> | undefined;
app.post("/predict", async (c) => {
  path ??= start();
  return await app.fetch(new Request(new URL(`${await path}/predict`, c.req.url), c.req.raw));
});

/** The handler. */
const edge: { fetch: (request: Request) => Response | Promise<Response> } = {
  fetch: (request) => app.fetch(request),
};
export default edge;
