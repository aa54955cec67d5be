import type { DeviceKind } from "../device/mod.ts";
import type { SamplingOptions } from "../lm/sampler.ts";
import { deviceOption, parseOptions, threadsOption, UsageError } from "./args.ts";

/** Ways to keep keys and values. */
export const CACHES = ["dense", "f16", "int8", "int4", "bitmap"] as const;

/** Methods that choose what a new token reads. */
export const SELECTORS = ["double-sparsity", "lserve", "streaming"] as const;

/** What of a model is to be loaded, and how. */
export interface ModelArgs {
  /** A model directory or a GGUF file. */
  model: string;
  /** How keys and values are kept; none is the model's default. */
  cache?: (typeof CACHES)[number];
  /** What chooses the tokens that are read; none reads all. */
  select?: (typeof SELECTORS)[number];
  /** The file that the choice was calibrated into. */
  profile?: string;
  /** The device to compute on; none lets Filigree choose. */
  device?: DeviceKind;
  /** Threads to compute with; none lets Filigree choose. */
  threads?: number;
}

/** What the command line asked for. */
export interface GenerateArgs extends ModelArgs {
  /** Text, token ids, or one message of a user. */
  prompt: { text: string } | { ids: number[] } | { chat: string };
  /** Tokens that the answer may have; none is the default of `generate`. */
  maxTokens?: number;
  /** A string that ends the answer. */
  stop?: string;
  /** How tokens are chosen. */
  sampling: SamplingOptions;
}

/** The text that `--help` prints. */
export const GENERATE_HELP =
  `Let a language model of the Llama, Mistral, Qwen2 or Qwen3 family go on with a text.

  deno task generate --model DIR --prompt "Once upon a time"
  deno task generate --model FILE.gguf --chat "What is a prime?"
  deno task generate --model DIR --ids 1,2,3            for a model without a tokenizer: ids in, ids out
(with Bun: bun run generate ...)

  --model PATH       a directory (config.json, safetensors, tokenizer.json) or a GGUF file
  --prompt TEXT      the beginning of the text
  --chat TEXT        a message, put into the chat template of the model
  --ids LIST         token ids, with commas between
  --max-tokens N     tokens that the answer may have (default 256)
  --stop TEXT        end the answer before this text
  --temperature X    0 always takes the likeliest token (default), 1 draws as the model says
  --top-k N  --top-p X  --min-p X  --repetition-penalty X  --seed N
  --cache KIND       how keys and values are kept: ${CACHES.join(", ")} (default: dense)
  --select METHOD    read only a part of them: ${SELECTORS.join(", ")}
  --profile FILE     what double-sparsity (label channels; default: calibrated to the prompt) or lserve (scores of
                     heads) was calibrated to
  --device KIND      webgpu, wasm or reference (default: the fastest that works)
  --threads N        threads to compute with (default: as many as help)
  --help             this text

Prints tokens as they come, then one line: tokens per second of prompt and answer, bytes of keys and values.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
`;

const OPTIONS = {
  model: { type: "string" },
  prompt: { type: "string" },
  chat: { type: "string" },
  ids: { type: "string" },
  "max-tokens": { type: "string" },
  stop: { type: "string" },
  temperature: { type: "string" },
  "top-k": { type: "string" },
  "top-p": { type: "string" },
  "min-p": { type: "string" },
  "repetition-penalty": { type: "string" },
  seed: { type: "string" },
  cache: { type: "string" },
  select: { type: "string" },
  profile: { type: "string" },
  device: { type: "string" },
  threads: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * Reads the command line of `generate`.
 *
 * @param argv The arguments, without the program's name.
 * @returns What they ask for; "help" for the help.
 * @throws {UsageError} If they make no sense. Whether numbers are in range, generation itself checks.
 */
export function readGenerateArgs(argv: readonly string[]): GenerateArgs | "help" {
  const { values, positionals } = parseOptions(argv, OPTIONS);
  if (values.help) return "help";
  if (positionals.length > 0) {
    throw new UsageError(`Unexpected argument "${positionals[0]}"; give the text with --prompt and quote it`);
  }
  if (!values.model) throw new UsageError("Name the model: --model DIR or --model FILE.gguf");
  const number = (name: keyof typeof values): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (typeof text === "string" && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text);
    throw new UsageError(`--${name} must be a number but is "${text}"`);
  };
  const cache = oneOf("cache", values.cache, CACHES);
  const select = oneOf("select", values.select, SELECTORS);
  if (select === "lserve" && values.profile === undefined) {
    throw new UsageError("--select lserve needs --profile FILE, the scores of the model's heads");
  }
  if (values.profile !== undefined && select !== "lserve" && select !== "double-sparsity") {
    throw new UsageError("--profile FILE is for --select double-sparsity or lserve");
  }
  return {
    model: values.model,
    prompt: promptOf(values),
    sampling: {
      ...given("temperature", number("temperature")),
      ...given("topK", number("top-k")),
      ...given("topP", number("top-p")),
      ...given("minP", number("min-p")),
      ...given("repetitionPenalty", number("repetition-penalty")),
      ...given("seed", number("seed")),
    },
    ...given("maxTokens", number("max-tokens")),
    ...given("stop", values.stop),
    ...given("cache", cache),
    ...given("select", select),
    ...given("profile", values.profile),
    ...given("device", values.device === undefined ? undefined : deviceOption(values.device)),
    ...given("threads", values.threads === undefined ? undefined : threadsOption(values.threads)),
  };
}

function promptOf(values: { prompt?: string; chat?: string; ids?: string }): GenerateArgs["prompt"] {
  const { prompt, chat, ids } = values;
  if ([prompt, chat, ids].filter((value) => value !== undefined).length !== 1) {
    throw new UsageError("Give one of --prompt TEXT, --chat TEXT and --ids 1,2,3");
  }
  if (prompt !== undefined) return { text: prompt };
  if (chat !== undefined) return { chat };
  return {
    ids: ids!.split(",").map((part) => {
      if (/^\s*\d+\s*$/.test(part)) return Number(part);
      throw new UsageError(`--ids must be whole numbers with commas between but has "${part}"`);
    }),
  };
}

function oneOf<T extends string>(name: string, text: string | undefined, known: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = known.find((value) => value === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} must be one of ${known.join(", ")} but is "${text}"`);
}

/** An object with a value, or without it if there is none. */
function given<N extends string, T>(name: N, value: T | undefined): { [Name in N]?: T } {
  return value === undefined ? {} : { [name]: value } as { [Name in N]: T };
}
