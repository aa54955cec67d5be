/**
 * Serves predictions over HTTP:
 *
 *     deno serve --port 8000 --allow-net examples/serve.ts
 *     bun --port 8000 examples/serve.ts
 *
 *     curl -s localhost:8000/v1/tabular/predict -H 'content-type: application/json' -d '{
 *       "train": [{"petal": 1.4, "kind": "setosa"}, {"petal": 1.3, "kind": "setosa"},
 *                 {"petal": 4.7, "kind": "versicolor"}, {"petal": 4.5, "kind": "versicolor"}],
 *       "target": "kind", "rows": [{"petal": 1.5}, {"petal": 4.9}]}'
 *
 * @module
 */

import { openDevice } from "../sdk/device/mod.ts";
import { createHandler } from "../sdk/server/mod.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";

// In a worker, so that the server answers other requests while it computes.
const device = await openDevice({ offThread: true });
const classifier = await OrionMSPClassifier.load({ device });
const app = createHandler({ classifier, onError: console.error });

/** The handler, and how long Bun keeps a quiet connection open (seconds). */
const server: { idleTimeout: number; fetch: (request: Request) => Response | Promise<Response> } = {
  idleTimeout: 120,
  fetch: (request) => app.fetch(request),
};
export default server;
