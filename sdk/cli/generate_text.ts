/**
 * The command `generate`: a language model goes on with a text.
 *
 * @module
 */
import { generate, type Usage } from "../lm/generate.ts";
import type { LanguageModel } from "../lm/language_model.ts";
import type { Prompt } from "../lm/prompt.ts";
import { UsageError } from "./args.ts";
import { GENERATE_HELP, type GenerateArgs, readGenerateArgs } from "./generate_args.ts";
import { oneLine } from "./one_line.ts";
import { count } from "./report.ts";

/** A loaded model, the device that it runs on, and how to let both go. */
export interface GenerateSession {
  /** The model. */
  readonly lm: LanguageModel;
  /** The device in words, for the last line. */
  readonly device: string;
  /** Frees both. */
  close(): void;
}

/** Everything that `generate` touches outside of itself. */
export interface GenerateDependencies {
  /** Loads a model on a device. */
  open(args: GenerateArgs, signal: AbortSignal): Promise<GenerateSession>;
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes to standard error. */
  printError(text: string): void;
  /** Stops the command. */
  readonly signal: AbortSignal;
}

/**
 * Runs the command.
 *
 * @param argv The arguments, without the program's name.
 * @param dependencies What it may touch.
 * @returns The exit code: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
 */
export async function runGenerate(
  argv: readonly string[],
  dependencies: GenerateDependencies,
): Promise<number> {
  const { signal } = dependencies;
  try {
    const args = readGenerateArgs(argv);
    if (args === "help") {
      dependencies.print(GENERATE_HELP);
      return 0;
    }
    const session = await dependencies.open(args, signal);
    try {
      await goOn(session, args, dependencies);
    } finally {
      session.close();
    }
    return 0;
  } catch (error) {
    if (signal.aborted) {
      dependencies.printError("Interrupted\n");
      return 130;
    }
    dependencies.printError(`error: ${oneLine(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function goOn(
  { lm, device }: GenerateSession,
  args: GenerateArgs,
  { print, signal }: GenerateDependencies,
): Promise<void> {
  const { sampling, maxTokens, stop } = args;
  const options = {
    ...sampling,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stop !== undefined && { stop }),
    signal,
  };
  let printed = "";
  let usage: Usage | undefined;
  try {
    for await (const piece of generate(lm, promptOf(args.prompt), options)) {
      const ids = piece.ids.map((id) => `${id}`).join(" ");
      const text = lm.tokenizer ? piece.text : printed !== "" && ids !== "" ? ` ${ids}` : ids;
      if (text !== "") print(printed = text);
      usage = piece.usage;
    }
  } finally {
    // What was printed stays a line of its own, also when it was interrupted.
    if (printed !== "" && !printed.endsWith("\n")) print("\n");
  }
  if (usage) print(`${summary(usage, device)}\n`);
}

/** The prompt as a model takes it. */
export function promptOf(prompt: GenerateArgs["prompt"]): Prompt {
  if ("text" in prompt) return prompt.text;
  return "ids" in prompt ? prompt.ids : [{ role: "user", content: prompt.chat }];
}

/**
 * Tells in one line what an answer took.
 *
 * @param usage What it took.
 * @param device The device in words.
 * @returns The line.
 */
export function summary(usage: Usage, device: string): string {
  const { promptTokens, completionTokens, prefillMs, decodeMs, kvBytes } = usage;
  // The first token of the answer comes with the prompt.
  const decoded = Math.max(0, completionTokens - 1);
  // That of its last token was not needed.
  const perToken = kvBytes / (promptTokens + decoded);
  return [
    `prefill ${speed(promptTokens, prefillMs)} (${count(promptTokens, "token")})`,
    `decode ${speed(decoded, decodeMs)} (${count(completionTokens, "token")})`,
    `KV ${bytes(perToken)} per token, ${bytes(kvBytes)} in total`,
    device,
  ].join(", ");
}

function speed(tokens: number, ms: number): string {
  return tokens > 0 && ms > 0 ? `${(1000 * tokens / ms).toFixed(1)} tokens/s` : "-";
}

function bytes(size: number): string {
  if (size < 1e4) return `${Math.round(size)} bytes`;
  return size < 1e7 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
