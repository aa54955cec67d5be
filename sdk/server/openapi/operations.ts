import { type Json, ref, type Schema, text } from "./schemas.ts";

/** What a route does, by method and path in OpenAPI's form. */
export interface Operation {
  /** A name that no other has. */
  readonly operationId: string;
  /** One sentence. */
  readonly summary: string;
  /** The group. */
  readonly tags: readonly string[];
  /** Values of the query; those of the path are added. */
  readonly query?: Readonly<Record<string, Schema>>;
  /** The schema of the body by type. */
  readonly body?: Readonly<Record<string, Schema>>;
  /** The status of a good answer. Default 200. */
  readonly status?: number;
  /** The schema of the answer by type. */
  readonly answer: Readonly<Record<string, Schema>>;
}

const JSON_TYPE = "application/json";
const json = (name: string): Record<string, Schema> => ({ [JSON_TYPE]: ref(name) });
const plain = (type: string): Record<string, Schema> => ({ [type]: { type: "string" } });
const csv: Record<string, Schema> = plain("text/csv");
const file: Record<string, Schema> = { "application/octet-stream": { type: "string", format: "binary" } };
const target = { target: text("The column to predict, where the body is CSV") };

const health = { tags: ["health"] };
const tabular = { tags: ["tabular"] };
const language = { tags: ["language models"] };
const kserve = { tags: ["kserve"] };
const people = { tags: ["page"] };

/** Every operation that a handler can have. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET /health": {
    ...health,
    operationId: "health",
    summary: "Says whether requests can be answered",
    answer: json("Health"),
  },
  "GET /metrics": {
    ...health,
    operationId: "metrics",
    summary: "Gives figures for Prometheus",
    answer: plain("text/plain"),
  },
  "GET /openapi.json": {
    ...health,
    operationId: "openapi",
    summary: "Gives this document",
    answer: { [JSON_TYPE]: { type: "object" } },
  },
  "POST /v1/tabular/predict": {
    ...tabular,
    operationId: "predict",
    summary: "Learns a table and predicts rows; of CSV those without a target are predicted",
    query: target,
    body: { ...json("PredictRequest"), ...csv },
    answer: { ...json("Predictions"), ...csv },
  },
  "POST /v1/tabular/contexts": {
    ...tabular,
    operationId: "createContext",
    summary: "Learns a table and keeps what was learned, or takes a file of it",
    query: target,
    body: { ...json("FitRequest"), ...csv, ...file },
    status: 201,
    answer: json("Context"),
  },
  "GET /v1/tabular/contexts/{id}": {
    ...tabular,
    operationId: "getContext",
    summary: "Describes a fitted context",
    answer: json("Context"),
  },
  "DELETE /v1/tabular/contexts/{id}": {
    ...tabular,
    operationId: "deleteContext",
    summary: "Forgets a fitted context",
    answer: json("Deleted"),
  },
  "GET /v1/tabular/contexts/{id}/file": {
    ...tabular,
    operationId: "getContextFile",
    summary: "Gives a fitted context as a file",
    answer: file,
  },
  "POST /v1/tabular/contexts/{id}/predict": {
    ...tabular,
    operationId: "predictWithContext",
    summary: "Predicts rows with a fitted context",
    body: { ...json("RowsRequest"), ...csv },
    answer: { ...json("Predictions"), ...csv },
  },
  "GET /v1/models": {
    ...language,
    operationId: "listModels",
    summary: "Lists the language models",
    answer: json("Models"),
  },
  "GET /v1/models/{id}": {
    ...language,
    operationId: "getModel",
    summary: "Describes a language model",
    answer: json("Model"),
  },
  "POST /v1/completions": {
    ...language,
    operationId: "createCompletion",
    summary: "Goes on with a text",
    body: json("CompletionRequest"),
    answer: { ...json("Completion"), ...plain("text/event-stream") },
  },
  "POST /v1/chat/completions": {
    ...language,
    operationId: "createChatCompletion",
    summary: "Answers messages",
    body: json("ChatRequest"),
    answer: { ...json("ChatCompletion"), ...plain("text/event-stream") },
  },
  "GET /v2": {
    ...kserve,
    operationId: "kserveServer",
    summary: "Describes the server",
    answer: json("KserveServer"),
  },
  "GET /v2/health/live": {
    ...kserve,
    operationId: "kserveLive",
    summary: "Says that it runs",
    answer: json("Live"),
  },
  "GET /v2/health/ready": {
    ...kserve,
    operationId: "kserveReady",
    summary: "Says whether requests can be answered",
    answer: json("Ready"),
  },
  "GET /v2/models": {
    ...kserve,
    operationId: "kserveModels",
    summary: "Lists the models",
    answer: json("KserveModels"),
  },
  "GET /v2/models/{model}": {
    ...kserve,
    operationId: "kserveModel",
    summary: "Describes a model: a fitted context by its id",
    answer: json("KserveModel"),
  },
  "GET /v2/models/{model}/ready": {
    ...kserve,
    operationId: "kserveModelReady",
    summary: "Says whether a model can be asked",
    answer: json("KserveReady"),
  },
  "POST /v2/models/{model}/infer": {
    ...kserve,
    operationId: "kserveInfer",
    summary: "Predicts rows with a fitted context",
    body: json("InferRequest"),
    answer: json("InferAnswer"),
  },
  "GET /": { ...people, operationId: "page", summary: "A page for people", answer: plain("text/html") },
  "GET /samples/{name}.csv": { ...people, operationId: "sample", summary: "A table to try", answer: csv },
  "POST /v1/filigree/attention": {
    ...people,
    operationId: "attention",
    summary: "Shows what every head reads",
    body: json("AttentionRequest"),
    answer: json("Attention"),
  },
};

/**
 * Turns a path of a route into OpenAPI's form.
 *
 * @param path Such as `/v1/models/:id`.
 * @returns Such as `/v1/models/{id}`.
 */
export function openapiPath(path: string): string {
  return path.replace(/^\/samples\/[^/]+\.csv$/, "/samples/{name}.csv").replace(/:(\w+)/g, "{$1}");
}

/**
 * Writes an operation as OpenAPI has it.
 *
 * @param path Its path in OpenAPI's form.
 * @param operation The operation.
 * @param open Whether it needs no token.
 * @returns The operation object.
 */
export function operationObject(path: string, operation: Operation, open: boolean): Json {
  const { query = {}, body, status = 200, answer, ...rest } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const parameters: Json[] = [
    ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(query).map(([name, { description = "", ...schema }]) => ({
      name,
      in: "query",
      description,
      schema,
    })),
  ];
  return {
    ...rest,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      [status]: { description: "The answer", content: contentOf(answer) },
      default: { $ref: "#/components/responses/Refusal" },
    },
    ...(open && { security: [] }),
  };
}

/** Media types by name. */
export function contentOf(schemas: Readonly<Record<string, Schema>>): Record<string, Json> {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]));
}
