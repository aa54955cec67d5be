/** A part of an OpenAPI document. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** A JSON schema. */
export type Schema = { readonly [name: string]: Json };

/**
 * Names a schema of the document.
 *
 * @param name Its name.
 * @returns The reference.
 */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A text, with what it says. */
export const text = (description: string): Schema => ({ type: "string", description });

const whole = (description: string, minimum: number, maximum?: number): Schema => ({
  type: "integer",
  description,
  minimum,
  ...(maximum !== undefined && { maximum }),
});
const flag = (description: string): Schema => ({ type: "boolean", description });
const list = (items: Schema, description?: string): Schema => ({
  type: "array",
  items,
  ...(description !== undefined && { description }),
});
const object = (
  properties: Record<string, Schema>,
  required: readonly string[] = Object.keys(properties),
): Schema => ({
  type: "object",
  properties,
  required,
});

const CELL: Schema = { type: ["string", "number", "boolean", "null"] };
const LABEL: Schema = { type: ["string", "number", "boolean"] };
const ROWS: Schema = list(
  { type: "object", additionalProperties: CELL },
  "Rows; a key that a row lacks is a missing value",
);
const TIMINGS: Schema = {
  type: "object",
  additionalProperties: { type: "number" },
  description: "Milliseconds",
};
const TENSOR: Schema = object({
  name: text("A column, or label, probabilities, classes"),
  shape: list({ type: "integer" }),
  datatype: text("Such as FP64, BOOL, BYTES"),
  data: list({}),
}, ["name", "shape", "datatype"]);

/** What completions and chat completions take both. */
const GENERATION: Record<string, Schema> = {
  model: text("The name of the model"),
  max_tokens: whole("Tokens that an answer may have", 1),
  temperature: { type: "number", minimum: 0, maximum: 2, default: 1 },
  top_p: { type: "number", minimum: 0, maximum: 1, default: 1 },
  n: whole("Answers to each prompt", 1, 128),
  seed: { type: "integer", description: "The same seed gives the same answer" },
  stop: { anyOf: [{ type: "string" }, list({ type: "string" })], description: "Texts that end an answer" },
  stream: flag("Sends the answer piece by piece, as server-sent events"),
  stream_options: object({ include_usage: flag("Ends with the numbers of tokens") }, []),
  filigree: object({
    kv: text("How keys and values are kept"),
    select: text("What is read of them"),
    prefill: text("How the prompt is read"),
  }, []),
};

const USAGE: Schema = object({
  prompt_tokens: whole("Tokens read", 0),
  completion_tokens: whole("Tokens generated", 0),
  total_tokens: whole("Both", 0),
});

const completion = (choice: Record<string, Schema>): Schema =>
  object({
    id: text("Its id"),
    object: text("The kind of thing"),
    created: { type: "integer", description: "Seconds since 1970" },
    model: text("The model"),
    choices: list(
      object({
        index: whole("Its place", 0),
        ...choice,
        logprobs: {},
        finish_reason: { type: ["string", "null"] },
      }),
    ),
    usage: USAGE,
  });

const PREDICTIONS = {
  classes: list({ type: "string" }, "The classes as texts"),
  predictions: list(object({
    label: LABEL,
    probabilities: { type: "object", additionalProperties: { type: "number" } },
  })),
  model: text("The name of the model"),
  timings: TIMINGS,
};

/** The schemas of the document by name. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Error: object({
    error: object({
      message: text("One sentence for people"),
      type: { enum: ["invalid_request_error", "server_error"] },
      param: { type: ["string", "null"], description: "The field that is wrong" },
      code: { type: ["string", "null"], description: "A word for programs" },
    }),
  }),
  Health: object({
    status: { const: "ok" },
    model: text("The name of the model"),
    device: { type: ["string", "null"], description: "What computes" },
  }),
  PredictRequest: object({ train: ROWS, target: text("The column to predict"), rows: ROWS }),
  Predictions: object(PREDICTIONS),
  FitRequest: object({ train: ROWS, target: text("The column to predict") }),
  RowsRequest: object({ rows: ROWS }),
  Context: object({
    id: text("Who knows it, and has the token that made it, may use it"),
    object: { const: "tabular.context" },
    created: { type: "string", format: "date-time" },
    model: text("The name of the model"),
    target: { type: ["string", "null"], description: "The column that it predicts" },
    classes: list(LABEL, "In the order of the probabilities"),
    columns: {
      type: ["array", "null"],
      items: object({ name: text("Its name"), type: text("number, boolean or text") }),
    },
    rows: { type: ["integer", "null"], description: "Rows that it learned" },
    bytes: whole("The bytes of its file", 0),
    timings: TIMINGS,
  }, ["id", "object", "created", "model", "target", "classes", "columns", "rows", "bytes"]),
  Deleted: object({ id: text("The id"), object: { const: "tabular.context" }, deleted: { const: true } }),
  Model: object({
    id: text("Its name"),
    object: { const: "model" },
    created: { type: "integer" },
    owned_by: text("Whose it is"),
    filigree: { type: "object", description: "The length of its context, and what requests can choose" },
  }),
  Models: object({ object: { const: "list" }, data: list(ref("Model")) }),
  CompletionRequest: object({
    ...GENERATION,
    prompt: {
      anyOf: [
        { type: "string" },
        list({ type: "string" }),
        list({ type: "integer" }),
        list(list({ type: "integer" })),
      ],
    },
    logprobs: whole("Likeliest tokens to tell at each place", 0, 5),
  }, ["model", "prompt"]),
  ChatRequest: object({
    ...GENERATION,
    messages: list(object({ role: { enum: ["system", "developer", "user", "assistant"] }, content: {} })),
    max_completion_tokens: whole("The newer name of max_tokens", 1),
    logprobs: flag("Tells how likely the tokens were"),
    top_logprobs: whole("Likeliest tokens to tell at each place", 0, 20),
  }, ["model", "messages"]),
  Completion: completion({ text: text("The answer") }),
  ChatCompletion: completion({
    message: object({ role: { const: "assistant" }, content: text("The answer") }),
  }),
  AttentionRequest: {
    type: "object",
    description: "A completion or chat completion, with what followed and which token to look at",
    properties: {
      answer: text("What followed"),
      at: whole("The place of the token. Default: the last of the prompt", 0),
    },
    additionalProperties: true,
  },
  Attention: object({
    object: { const: "filigree.attention" },
    model: text("The model"),
    tokens: list({ type: "string" }),
    prompt_tokens: whole("How many of them are the prompt's", 0),
    at: whole("The token whose reading is shown", 0),
    layers: list(object({ heads: list({ type: "object" }) }), "What each head of each layer read"),
  }),
  KserveServer: object({
    name: text("Its name"),
    version: text("Its version"),
    extensions: list({ type: "string" }),
  }),
  KserveModels: object({
    models: list(object({ name: text("Its name"), ready: flag("Whether it can be asked") })),
  }),
  KserveModel: object({
    name: text("Its name"),
    versions: list({ type: "string" }),
    platform: text("What computes"),
    inputs: list(TENSOR),
    outputs: list(TENSOR),
  }),
  KserveReady: object({ name: text("The model"), ready: flag("Whether it can be asked") }),
  Live: object({ live: { const: true } }),
  Ready: object({ ready: flag("Whether it can be asked") }),
  InferRequest: object({
    id: text("Comes back with the answer"),
    parameters: { type: "object" },
    inputs: list(TENSOR, "One for each column, of shape [rows] or [rows, 1]"),
    outputs: list(object({ name: text("label, probabilities or classes") })),
  }, ["inputs"]),
  InferAnswer: object({
    model_name: text("The model"),
    model_version: text("Its version"),
    id: text("That of the request"),
    outputs: list(TENSOR),
  }, ["model_name", "model_version", "outputs"]),
};
