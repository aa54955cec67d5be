/**
 * Serves predictions over HTTP, with a page at `/` and a description of all routes at `/openapi.json`:
 *
 *     deno serve --port 8000 --allow-net examples/serve.ts
 *     bun --port 8000 examples/serve.ts
 *
 *     curl -s localhost:8000/v1/tabular/predict -H 'content-type: application/json' -d '{
 *       "train": [{"petal": 1.4, "kind": "setosa"}, {"petal": 1.3, "kind": "setosa"},
 *                 {"petal": 4.7, "kind": "versicolor"}, {"petal": 4.5, "kind": "versicolor"}],
 *       "target": "kind", "rows": [{"petal": 1.5}, {"petal": 4.9}]}'
 *
 * Arguments, behind the file's name: `--lm` adds the recall model for OpenAI's clients (it is read from its files: Deno
 * wants `--allow-read`), `--store FOLDER` keeps fitted contexts in a folder, which several servers may share (Deno wants
 * `--allow-read --allow-write`), `--threads N` computes with so many.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { openDevice } from "../sdk/device/mod.ts";
import { CausalLM } from "../sdk/lm/mod.ts";
import { csvBodies } from "../sdk/server/csv.ts";
import { variants } from "../sdk/server/language/variants.ts";
import { createHandler, jsonLog, shutdown } from "../sdk/server/mod.ts";
import { openapi } from "../sdk/server/openapi.ts";
import { page } from "../sdk/server/page/mod.ts";
import { directoryStore } from "../sdk/server/stores/directory.ts";
import { OrionMSPClassifier } from "../tabular/mod.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { lm: { type: "boolean" }, store: { type: "string" }, threads: { type: "string" } },
});

// In a worker, so that the server answers other requests while it computes.
const device = await openDevice({
  offThread: true,
  ...(values.threads !== undefined && { threads: Number(values.threads) }),
});
const app = createHandler({
  classifier: OrionMSPClassifier.load({ device }),
  ...(values.lm &&
    { lm: CausalLM.load(new URL("../sdk/lm/recall", import.meta.url), { device }), variants: variants() }),
  ...(values.store !== undefined && { store: directoryStore(values.store) }),
  csv: csvBodies,
  page: page(values.lm ? { prompts: ["note Mira 217 . the river ran by night . ask Mira"] } : {}),
  openapi,
  log: jsonLog,
  onError: console.error,
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, async () => {
    await shutdown(app);
    process.exit();
  });
}

/** The handler, and how long Bun keeps a quiet connection open (seconds). */
const server: { idleTimeout: number; fetch: (request: Request) => Response | Promise<Response> } = {
  idleTimeout: 120,
  fetch: (request) => app.fetch(request),
};
export default server;
