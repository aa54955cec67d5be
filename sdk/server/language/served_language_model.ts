import type { Storage } from "../../cache/storage.ts";
import type { GenerateManyOptions } from "../../lm/generate_options.ts";
import type { IndexedPiece } from "../../lm/generate.ts";
import type { LanguageModel } from "../../lm/language_model.ts";
import type { Prompt } from "../../lm/prompt.ts";
import type { Planner } from "../../methods/planner.ts";
import type { Selector } from "../../methods/selector.ts";

/** How a model keeps keys and values and what it reads of them, where that is another way than its own. */
export interface OtherWays {
  /** How keys and values are kept. */
  cache?: Storage;
  /** Chooses what a new token reads. */
  select?: Selector;
  /** Plans the attention of prompts. */
  prefill?: Planner;
}

/** What the handler needs of a language model: `CausalLM` has it. */
export interface ServedLanguageModel extends LanguageModel {
  /** Answers several prompts at once. */
  generateMany(
    prompts: readonly Prompt[],
    options: GenerateManyOptions,
  ): AsyncIterable<IndexedPiece>;
  /** The same weights with another cache, selector or planner. */
  with?(ways: OtherWays): ServedLanguageModel;
  /** Gives its memory back. */
  dispose?(): void;
}
