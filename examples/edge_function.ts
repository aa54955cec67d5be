/**
 * An edge function: it learns nothing, but answers from a context that was fitted elsewhere and is imported as a file
 * (`script.ts` makes it). One thread, no files, no network but the requests; the kernels are compiled before it starts.
 *
 *     deno serve --port 8000 examples/edge_function.ts        (or: bun --port 8000 examples/edge_function.ts)
 *
 *     curl -s localhost:8000/v1/tabular/contexts/iris/predict -H 'content-type: application/json' \
 *       -d '{"rows": [{"sepal length": 5.1, "sepal width": 3.5, "petal length": 1.4, "petal width": 0.2}]}'
 *
 * `edge_build.ts` bundles it for platforms that take a script and its files.
 *
 * @module
 */
import { openDevice } from "../sdk/device/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";
import { context } from "./data/iris_context.js";
import { kernels } from "./edge_kernels.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

async function start(): Promise<Fetch> {
  const device = await openDevice({ wasm: kernels });
  const classifier = await OrionMSPClassifier.restore(context, { device });
  return async (request) => {
    const { rows } = await request.json();
    return Response.json({ classes: classifier.classes, p: await classifier.predictProba(rows), report: device.report, });
  };
}

let started: Promise<Fetch> | undefined;

/** Starts with the first request: some platforms allow no work before. */
const edge: { fetch: Fetch } = {
  async fetch(request) {
    started ??= start();
    return await (await started)(request);
  },
};
export default edge;
