import * as v from "valibot";
import type { Message } from "../../lm/chat_template.ts";
import { ApiError } from "../api_error.ts";
import { flag, readFields, SHARED, whole } from "./fields.ts";
import { type GenerationRequest, generationRequest, type Serving } from "./generation_request.ts";
import type { ServedLanguageModel } from "./served_language_model.ts";

const Body = v.strictObject({
  ...SHARED,
  messages: v.pipe(
    v.array(v.unknown(), "must be a list of messages"),
    v.minLength(1, "must have at least one message"),
  ),
  max_completion_tokens: SHARED.max_tokens,
  logprobs: v.optional(flag, false),
  top_logprobs: v.optional(whole(0, 20)),
});

/** Who may speak, and the name that chat templates have for it. */
const ROLES: ReadonlyMap<unknown, string> = new Map([
  ["system", "system"],
  ["developer", "system"],
  ["user", "user"],
  ["assistant", "assistant"],
]);

/**
 * Reads the body of `POST /v1/chat/completions`.
 *
 * The chat template of the model turns the messages into a prompt. For a model without one they are joined as they are, a line for each, without a word of who speaks.
 *
 * @param body The body, parsed.
 * @param lm The model.
 * @param serving The name of the model, and how much one request may ask for.
 * @returns What is asked.
 * @throws {ApiError} 400 that names the wrong field, 404 for another model.
 */
export function chatRequest(body: unknown, lm: ServedLanguageModel, serving: Serving): GenerationRequest {
  const { messages: given, max_completion_tokens: newer, logprobs, top_logprobs: top, ...shared } =
    readFields(
      body,
      Body,
    );
  const { max_tokens: older } = shared;
  if (newer !== undefined && older !== undefined) {
    throw new ApiError(400, "invalid_value", '"max_tokens" and "max_completion_tokens" exclude each other', {
      param: "max_tokens",
    });
  }
  if (top !== undefined && !logprobs) {
    throw new ApiError(400, "invalid_value", '"top_logprobs" needs "logprobs" to be true', {
      param: "top_logprobs",
    });
  }
  const messages = given.map(messageOf);
  const own = {
    prompts: [lm.template ? messages : messages.map(({ content }) => content).join("\n")],
    promptsParam: "messages",
    maxTokens: newer ?? older,
    maxTokensParam: newer === undefined ? "max_tokens" : "max_completion_tokens",
    logprobs: logprobs ? top ?? 0 : undefined,
  };
  return generationRequest(lm, shared, own, serving);
}

/** Other fields of a message are not looked at, except those that ask for something. */
function messageOf(value: unknown, at: number): Message {
  const name = `messages[${at}]`;
  const message = recordOf(value, name);
  const role = ROLES.get(message["role"]);
  if (role === undefined) {
    throw invalid(`${name}.role`, 'must be "system", "developer", "user" or "assistant"');
  }
  for (const field of ["tool_calls", "function_call", "audio"]) {
    const asked = message[field] ?? [];
    if (!Array.isArray(asked) || asked.length > 0) {
      throw invalid(`${name}.${field}`, "cannot be read by this server", "unsupported_parameter");
    }
  }
  return { role, content: textOf(message["content"], `${name}.content`) };
}

function textOf(content: unknown, name: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw invalid(name, "must be a text or a list of parts");
  return content.map((value, at) => {
    const part = recordOf(value, `${name}[${at}]`);
    if (part["type"] !== "text") {
      throw invalid(
        `${name}[${at}].type`,
        'must be "text": this server reads nothing else',
        "unsupported_value",
      );
    }
    if (typeof part["text"] !== "string") throw invalid(`${name}[${at}].text`, "must be a text");
    return part["text"];
  }).join("");
}

function recordOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return { ...value };
  throw invalid(name, "must be an object");
}

function invalid(param: string, message: string, code = "invalid_value"): ApiError {
  return new ApiError(400, code, `"${param}" ${message}`, { param });
}
