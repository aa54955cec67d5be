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
import { openDevice } from "../device/mod.ts";
import { calibrate } from "../lm/calibrate.ts";
import { CausalLM } from "../lm/causal_lm.ts";
import { answerQuestions, densePrompt } from "../lm/recall/evaluate.ts";
import { recallCapacity, type RecallTask, type RecallText, recallText } from "../lm/recall/tasks.ts";
import { doubleSparsity } from "../methods/double_sparsity.ts";
import type { Selector } from "../methods/selector.ts";
import { deviceOptions, runCommand, wholeOption } from "./command.ts";
import { percent } from "./report.ts";
import { textTable } from "./text_table.ts";

const HELP = `Answers of the recall model by how its cache is kept and read.

  deno task recall:model
(with Bun: bun run recall:model)

  --model DIR          the model directory (default sdk/lm/recall)
  --lengths A,B        tokens of a text (default 1024,4096)
  --texts N            texts of pairs and of records of each length, and twice as many of needles (default 4)
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
  /** KV bytes at the end of a text. */
  readonly bytes: number;
}

/** Every so many tokens there is a statement, or only one. */
const TASKS: readonly { readonly name: string; readonly task: RecallTask; readonly every: number }[] = [
  { name: "pairs", task: "pairs", every: 32 },
  { name: "records", task: "records", every: 32 },
  { name: "needle", task: "records", every: Infinity },
];

/** The command. @returns The exit code: 0 done, 1 failed, 2 wrong arguments. */
export function main(args: readonly string[]): Promise<number> {
  return runCommand(args, { help: HELP, read: readOptions, run });
}

async function run(options: Options): Promise<void> {
  const { model, open, denseLayers } = options;
  using device = await openDevice(open);
  // The texts of the calibration have seeds of their own.
  const calibration = TASKS.map(({ task }, i) =>
    recallText({ task, tokens: 512, statements: 16, seed: 1_000_000 + i }).ids
  );
  using loaded = await CausalLM.load(model, { device, prefill: densePrompt });
  const profile = await calibrate(loaded, calibration);
  const select = doubleSparsity({ profile, denseLayers });
  const settings: Setting[] = [
    { name: "dense" },
    { name: "doubleSparsity 1/16", select },
    { name: "bitmap 0.7", cache: bitmap() },
    { name: "both", cache: bitmap(), select },
  ];
  const cells: Cell[] = [];
  for (const { name: setting, ...attends } of settings) {
    using lm = loaded.with({ prefill: densePrompt, ...attends });
    for (const length of options.lengths) {
      for (const task of TASKS.keys()) {
        cells.push({
          setting,
          task: TASKS[task]!.name,
          length,
          ...await ask(lm, textsOf(options, task, length)),
        });
        const { right, asked } = cells.at(-1)!;
        console.error(`${setting}, ${TASKS[task]!.name} in ${length} tokens: ${right} of ${asked} right`);
      }
    }
  }
  console.log(
    options.json ? JSON.stringify({ device: device.kind, denseLayers, cells }, undefined, 2) : report(cells),
  );
}

async function ask(
  lm: CausalLM,
  texts: readonly RecallText[],
): Promise<Pick<Cell, "right" | "asked" | "bytes">> {
  const sum = { right: 0, asked: 0, bytes: 0 };
  for (const text of texts) {
    const { answers, bytes } = await answerQuestions(lm, text);
    sum.right += answers.filter(({ right }) => right).length;
    sum.asked += answers.length;
    sum.bytes = Math.max(sum.bytes, bytes);
  }
  return sum;
}

function textsOf({ texts, questions, seed }: Options, index: number, tokens: number): RecallText[] {
  const { task, every } = TASKS[index]!;
  const wanted = Math.max(1, Math.floor(tokens / every));
  const asked = Math.min(questions, wanted, recallCapacity(task, tokens, 0) >> 1);
  const statements = Math.min(wanted, recallCapacity(task, tokens, asked));
  const count = every === Infinity ? 2 * texts : texts;
  return Array.from(
    { length: count },
    (_, i) => recallText({ task, tokens, statements, questions: asked, seed: seed + 1000 * i + index }),
  );
}

/** Shares of right answers as a table. */
function report(cells: readonly Cell[]): string {
  const settings = [...new Set(cells.map(({ setting }) => setting))];
  const columns = cells.filter(({ setting }) => setting === settings[0]);
  const header = ["cache", ...columns.map(({ task, length }) => `${task} ${length}`), "all", "KV bytes"];
  const rows = settings.map((name) => {
    const own = cells.filter(({ setting }) => setting === name);
    const sum = (of: (cell: Cell) => number): number => own.reduce((total, cell) => total + of(cell), 0);
    return [
      name,
      ...own.map(({ right, asked }) => percent(right / asked)),
      percent(sum(({ right }) => right) / sum(({ asked }) => asked)),
      `${Math.max(...own.map(({ bytes }) => bytes))}`,
    ];
  });
  return `Answers that are right, and the bytes of keys and values at the end of the longest text\n\n${
    textTable(header, rows)
  }`;
}

type Options = ReturnType<typeof readOptions>;

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "model": { type: "string", default: fileURLToPath(new URL("../lm/recall", import.meta.url)) },
      "lengths": { type: "string", default: "1024,4096" },
      "texts": { type: "string", default: "4" },
      "questions": { type: "string", default: "32" },
      "dense-layers": { type: "string", default: "0,1" },
      "device": { type: "string" },
      "threads": { type: "string" },
      "seed": { type: "string", default: "1" },
      "json": { type: "boolean", default: false },
      "help": { type: "boolean", default: false },
    },
  });
  const layers = values["dense-layers"];
  return {
    model: values.model,
    lengths: values.lengths.split(",").map((text) => wholeOption("lengths", text, 64)),
    texts: wholeOption("texts", values.texts),
    questions: wholeOption("questions", values.questions),
    denseLayers: layers === "none"
      ? []
      : layers.split(",").map((text) => wholeOption("dense-layers", text, 0)),
    open: deviceOptions(values),
    seed: wholeOption("seed", values.seed, 0),
    json: values.json,
    help: values.help,
  };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
