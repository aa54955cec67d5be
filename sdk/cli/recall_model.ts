/**
 * `deno task recall:model`: answers of the recall model by how its cache is kept and read.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bitmap } from "../cache/bitmap.ts";
import type { Storage } from "../cache/storage.ts";
import { type DeviceKind, openDevice } from "../device/mod.ts";
import { CausalLM } from "../lm/causal_lm.ts";
import { answerQuestions, calibrateOn, densePrompt, type RecallAnswers } from "../lm/recall/evaluate.ts";
import { recallCapacity, type RecallTask, recallText } from "../lm/recall/tasks.ts";
import { doubleSparsity } from "../methods/double_sparsity.ts";
import type { Selector } from "../methods/selector.ts";
import { textTable } from "./text_table.ts";

const HELP = `Answers of the recall model by how its cache is kept and read.

  deno task recall:model
(with Bun: bun run recall:model)

  --model DIR          the model directory (default sdk/lm/recall)
  --lengths A,B        tokens of a text (default 1024,4096)
  --texts N            texts of each task and length (default 4)
  --questions N        questions at the end of a text, at most (default 32)
  --dense-layers A,B   layers in which Double Sparsity reads everything (default 0,1; "none")
  --device KIND        webgpu, wasm or reference (default: the fastest that works)    --threads N
  --seed N             of the texts (default 1)
  --json               print one JSON object instead of the table
  --help               this text

Prompts are dense; questions and their right answers are decoded token by token, and an answer counts if every token of it comes first.
Texts are pairs (a name, a value), records (a name and a field, two values) and needles (one record); KV bytes are those of the largest text.
`;

/** A row of the table. */
interface Setting {
  readonly name: string;
  readonly cache?: Storage;
  readonly select?: Selector;
}

/** What came of one task at one length with one setting. */
interface Cell {
  readonly setting: string;
  readonly task: string;
  readonly length: number;
  readonly right: number;
  readonly asked: number;
  readonly bytes: number;
  readonly tokensPerSecond: number;
}

const TASKS: readonly { readonly name: string; readonly task: RecallTask; readonly share: number }[] = [
  { name: "pairs", task: "pairs", share: 32 },
  { name: "records", task: "records", share: 32 },
  { name: "needle", task: "records", share: Infinity },
];

/** The command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export async function main(args: readonly string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  try {
    await run(options);
    return 0;
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function run(options: ReturnType<typeof readOptions>): Promise<void> {
  const { model, lengths, seed, device: prefer, threads, denseLayers } = options;
  using device = await openDevice({ ...(prefer && { prefer }), ...(threads && { threads }) });
  // The texts of the calibration have seeds of their own.
  const calibration = TASKS.map(({ task }, i) =>
    recallText({ task, tokens: 512, statements: 16, seed: 1_000_000 + i }).ids
  );
  const profile = await calibrateOn(model, device, calibration);
  const select = doubleSparsity({ profile, denseLayers });
  const settings: Setting[] = [
    { name: "dense" },
    { name: "doubleSparsity 1/16", select },
    { name: "bitmap 0.7", cache: bitmap() },
    { name: "both", cache: bitmap(), select },
  ];
  const cells: Cell[] = [];
  for (const { name: setting, ...attends } of settings) {
    using lm = await CausalLM.load(model, { device, prefill: densePrompt, ...attends });
    for (const length of lengths) {
      for (const [i, { name: task, task: kind, share }] of TASKS.entries()) {
        const begun = performance.now();
        const answers: RecallAnswers[] = [];
        for (let t = 0; t < textsOf(options, share); t++) {
          answers.push(await answerQuestions(lm, textOf(kind, length, share, options.questions, seed + 1000 * t + i)));
        }
        const all = answers.flatMap((text) => text.answers);
        cells.push({
          setting,
          task,
          length,
          right: all.filter(({ right }) => right).length,
          asked: all.length,
          bytes: Math.max(...answers.map(({ bytes }) => bytes)),
          tokensPerSecond: length * answers.length / (performance.now() - begun) * 1000,
        });
        console.error(`${setting}, ${task} in ${length} tokens: ${cells.at(-1)!.right} of ${all.length} right`);
      }
    }
  }
  console.log(options.json ? JSON.stringify({ device: device.kind, denseLayers, cells }) : table(cells, lengths));
}
