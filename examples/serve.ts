/**
 * Serves predictions over HTTP:
 *
 *     deno serve --allow-net --allow-read examples/serve.ts
 *     bun examples/serve.ts
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

/** The port, the handler and how long a quiet connection stays open (seconds): Bun serves this, `deno serve` takes `fetch`. */
const server: {
  port: number;
  idleTimeout: number;
  fetch: (request: Request) => Response | Promise<Response>;
} = { port: 8000, idleTimeout: 120, fetch: (request) => app.fetch(request) };
export default server;
