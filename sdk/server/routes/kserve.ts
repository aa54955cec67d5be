import { ApiError } from "../api_error.ts";
import type { Contexts } from "../contexts/contexts.ts";
import { inputTensors, outputTensors, readInfer, type Tensor } from "../kserve/tensors.ts";
import type { Routes } from "../service.ts";

/** What KServe's protocol tells of a model. */
export interface KserveModel {
  /** Its name: that of the server's model, or the id of a fitted context. */
  name: string;
  /** There is one of each. */
  versions: string[];
  /** What computes. */
  platform: string;
  /** The tensors that it takes. */
  inputs: Tensor[];
  /** The tensors that it gives. */
  outputs: Tensor[];
}

const VERSION = "1";

/**
 * Fitted contexts under the names of KServe's protocol, version 2: `/v2`.
 *
 * A model is a fitted context, and its name the context's id. The server's own model is listed, but it predicts nothing
 * before it learned a table. Contexts are not listed, because who knows an id may use it. Refusals have the form that
 * they have everywhere in this server.
 *
 * @param contexts The contexts.
 * @returns The routes.
 */
export function kserveRoutes(contexts: Contexts): Routes {
  return (app, service): void => {
    const { classifier } = contexts;
    const isReady = (): boolean => classifier.state === "ready";
    for (const path of ["/v2/health/live", "/v2/health/ready"]) service.open.add(path);

    app.get("/v2", (c) => c.json({ name: "filigree", version: VERSION, extensions: [] }));
    app.get("/v2/health/live", (c) => c.json({ live: true }));
    app.get("/v2/health/ready", (c) => c.json({ ready: isReady() }, isReady() ? 200 : 503));
    app.get("/v2/models", (c) => c.json({ models: [{ name: service.model, ready: isReady() }] }));
    app.get("/v2/models/:model", async (c) => {
      const name = c.req.param("model");
      if (name === service.model) return c.json(modelOf(name, [], []));
      const { meta } = await contexts.find(service, c, name);
      return c.json(modelOf(name, inputTensors(meta.columns), outputTensors(meta.classes)));
    });
    app.get("/v2/models/:model/ready", async (c) => {
      const name = c.req.param("model");
      if (name !== service.model) await contexts.find(service, c, name);
      return c.json({ name, ready: isReady() }, isReady() ? 200 : 503);
    });
    app.post("/v2/models/:model/infer", async (c) => {
      const name = c.req.param("model");
      if (name === service.model) throw nothingLearned(name);
      const known = await contexts.find(service, c, name);
      const { id, outputs, ...rows } = readInfer(await service.readJson(c), known.meta, service.limits);
      const found = await contexts.predict(service, c, known, rows);
      const tensors = outputTensors(found.classes, found);
      return c.json({
        model_name: name,
        model_version: VERSION,
        ...(id !== undefined && { id }),
        outputs: outputs ? tensors.filter((tensor) => outputs.includes(tensor.name)) : tensors,
      });
    });
  };
}

function modelOf(name: string, inputs: Tensor[], outputs: Tensor[]): KserveModel {
  return { name, versions: [VERSION], platform: "filigree_tabular", inputs, outputs };
}

function nothingLearned(name: string): ApiError {
  return new ApiError(
    422,
    "nothing_learned",
    `"${name}" has learned no table: POST one to /v1/tabular/contexts and infer with the id that comes back`,
    { param: "model" },
  );
}
