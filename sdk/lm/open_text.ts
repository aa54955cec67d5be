/**
 * The text side of a model: its tokenizer and its chat template.
 *
 * @module
 */
import type { GgufMetadata } from "../weights/gguf_metadata.ts";
import type { WeightFiles } from "../weights/source.ts";
import { type ChatTemplate, ggufChatTemplate, openChatTemplate } from "./chat_template.ts";
import { ggufTokenizer } from "./gguf_tokenizer.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";

/** What turns text and messages into ids, as far as a model has it. */
export interface TextSide {
  /** Turns text into ids and back. */
  readonly tokenizer: Tokenizer | undefined;
  /** Turns messages into one prompt. */
  readonly template: ChatTemplate | undefined;
}

/**
 * Opens the text side of a model. Packages are loaded only for what is there.
 *
 * @param files The directory of the model, or
 * @param metadata what its GGUF file says.
 * @returns What the model has.
 * @throws SyntaxError for a broken file, WeightsError for a vocabulary of a GGUF file that cannot be used.
 */
export async function openText(
  { files, metadata }: {
    readonly files?: WeightFiles | undefined;
    readonly metadata?: GgufMetadata | undefined;
  },
): Promise<TextSide> {
  const tokenizer = metadata ? await ggufTokenizer(metadata) : files && await openTokenizer(files);
  // Messages without a tokenizer are of no use.
  if (tokenizer === undefined) return { tokenizer, template: undefined };
  const template = metadata ? await ggufChatTemplate(metadata) : files && await openChatTemplate(files);
  return { tokenizer, template };
}
