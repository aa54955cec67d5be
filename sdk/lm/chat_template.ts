/**
 * Messages to one prompt.
 *
 * @module
 */
import type { GgufMetadata } from "../weights/gguf_metadata.ts";
import type { WeightFiles } from "../weights/source.ts";
import { readJson, readText } from "./read_json.ts";
import { type Render, templateEngine } from "./template_engine.ts";

/** One message of a conversation. */
export interface Message {
  /** Who speaks: "system", "user", "assistant", or what else the template knows. */
  readonly role: string;
  /** What is said. */
  readonly content: string;
}

/** Renders messages as its model was trained to read them. */
export interface ChatTemplate {
  /**
   * The prompt for a conversation, up to the point where the model answers.
   *
   * @throws SyntaxError if the template does not parse.
   * @throws TypeError if it refuses the messages, or does what cannot be done.
   * @throws RangeError if it does not end within bounds.
   */
  render(messages: readonly Message[]): string;
}

/** What templates can name beside the messages. */
interface Names {
  readonly bos_token?: string | undefined;
  readonly eos_token?: string | undefined;
}

/**
 * Opens the chat template of a model directory: `chat_template.jinja`, else that of `tokenizer_config.json`. Loads the package
 * `@huggingface/jinja` if there is one.
 *
 * @param files The directory.
 * @returns The template; nothing if there is none.
 * @throws SyntaxError if a file is broken.
 */
export async function openChatTemplate(files: WeightFiles): Promise<ChatTemplate | undefined> {
  const config = await readJson(files, "tokenizer_config.json") ?? {};
  const source = await readText(files, "chat_template.jinja") ?? templateIn(config["chat_template"]);
  if (source === undefined) return undefined;
  return await makeChatTemplate(source, {
    bos_token: textOf(config["bos_token"]),
    eos_token: textOf(config["eos_token"]),
  });
}

/**
 * Makes the chat template of a GGUF file; loads the package `@huggingface/jinja` if there is one.
 *
 * @param metadata What the file says.
 * @returns The template; nothing if there is none.
 * @throws WeightsError if the file says something else in its place.
 */
export async function ggufChatTemplate(metadata: GgufMetadata): Promise<ChatTemplate | undefined> {
  const source = metadata.text("tokenizer.chat_template");
  if (source === undefined) return undefined;
  const tokens = metadata.texts("tokenizer.ggml.tokens") ?? [];
  const named = (key: string): string | undefined => tokens[metadata.number(key) ?? -1];
  return await makeChatTemplate(source, {
    bos_token: named("tokenizer.ggml.bos_token_id"),
    eos_token: named("tokenizer.ggml.eos_token_id"),
  });
}

async function makeChatTemplate(source: string, names: Names): Promise<ChatTemplate> {
  const compile = await templateEngine();
  // Not before it is used: a template that cannot be used leaves the model usable for texts and ids.
  let template: Render | undefined;
  return {
    render(messages) {
      template ??= compile(source);
      return template({ messages, add_generation_prompt: true, ...names });
    },
  };
}

/** A template, or the default one of several with names. */
function templateIn(value: unknown): string | undefined {
  if (!Array.isArray(value)) return typeof value === "string" ? value : undefined;
  return value.find((item) => item?.name === "default" && typeof item.template === "string")?.template;
}

/** A token, as text or as an object with its content. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const content = typeof value === "object" && value !== null && "content" in value
    ? value.content
    : undefined;
  return typeof content === "string" ? content : undefined;
}
