/**
 * Language models of the Llama, Mistral, Qwen2 and Qwen3 families.
 *
 * @module
 */
export { calibrate, type CalibrateOptions } from "./calibrate.ts";
export { CausalLM, type CausalLMOptions, type LogitsOptions } from "./causal_lm.ts";
export type { ChatTemplate, Message } from "./chat_template.ts";
export type { DecoderConfig, Family, RopeConfig, RopeScaling } from "./config.ts";
export type { Heads as LayerHeads } from "./decoder.ts";
export { DecoderSequence } from "./decoder_sequence.ts";
export { generate, generateMany, type IndexedPiece, type Piece, type Usage } from "./generate.ts";
export type { GenerateManyOptions, GenerateOptions } from "./generate_options.ts";
export type { FetchAhead } from "./forward_offloaded.ts";
export type { TokenLogprob } from "./logprobs.ts";
export type { LanguageModel, LanguageModelConfig, Sequence } from "./language_model.ts";
export type { ModelSource } from "./open_model.ts";
export type { Prompt } from "./prompt.ts";
export type { SamplingOptions } from "./sampler.ts";
export type { TextStream } from "./text_stream.ts";
export { type EncodeOptions, LONGEST_WORD, type Tokenizer } from "./tokenizer.ts";
