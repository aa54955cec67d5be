/**
 * Entry of the command `generate`: connects it to the files, the terminal and the model.
 *
 * @module
 */
import process from "node:process";
import { bitmap, dense, quantized, type Storage } from "../cache/mod.ts";
import { openDevice } from "../device/mod.ts";
import { calibrate, CausalLM } from "../lm/mod.ts";
import { promptIds } from "../lm/prompt.ts";
import { doubleSparsity } from "../methods/double_sparsity.ts";
import { lserve, parseHeadScores, type Selector, streaming } from "../methods/mod.ts";
import type { GenerateArgs, ModelArgs } from "./generate_args.ts";
import { promptOf, runGenerate } from "./generate_text.ts";
import { readBytes } from "./node_files.ts";

const CACHES: Readonly<Record<NonNullable<ModelArgs["cache"]>, () => Storage>> = {
  dense: () => dense(),
  f16: () => dense({ type: "f16" }),
  int8: () => quantized({ bits: 8 }),
  int4: () => quantized({ bits: 4 }),
  bitmap: () => bitmap(),
};

async function selector({ select, profile }: ModelArgs): Promise<Selector | undefined> {
  if (select === "streaming") return streaming();
  if (select === undefined || profile === undefined) return undefined;
  const text = new TextDecoder().decode(await readBytes(profile));
  if (select === "lserve") return lserve({ headScores: parseHeadScores(text) });
  return doubleSparsity({ profile: doubleSparsity.parseProfile(JSON.parse(text)) });
}

/** The model with label channels that suit the prompt. */
async function calibrated(lm: CausalLM, { prompt }: GenerateArgs, signal: AbortSignal): Promise<CausalLM> {
  const profile = await calibrate(lm, [promptIds(lm, promptOf(prompt), true)], { signal });
  return lm.with({ select: doubleSparsity({ profile }) });
}

const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: Error & { code?: string }) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error: Cannot write the text: ${error.message}\n`);
  process.exit(1);
});

process.exitCode = await runGenerate(process.argv.slice(2), {
  async open(args, signal) {
    const { model, cache, device: prefer, threads } = args;
    const select = await selector(args);
    const device = await openDevice({ signal, ...(prefer && { prefer }), ...(threads && { threads }) });
    try {
      const lm = await CausalLM.load(model, {
        device,
        signal,
        ...(cache && { cache: CACHES[cache]() }),
        ...(select && { select }),
      });
      const { adapter } = device.report;
      return {
        lm: args.select === "double-sparsity" && !args.profile ? await calibrated(lm, args, signal) : lm,
        device: adapter.startsWith(device.kind) ? adapter : `${device.kind}: ${adapter}`,
        close: () => device.dispose(),
      };
    } catch (error) {
      device.dispose();
      throw error;
    }
  },
  print: (text) => void process.stdout.write(text),
  printError: (text) => void process.stderr.write(text),
  signal: interrupt.signal,
});
