import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { UsageError } from "./args.ts";
import { readGenerateArgs } from "./generate_args.ts";

const model = ["--model", "m"];

describe("readGenerateArgs()", () => {
  test("readGenerateArgs() reads every option", () => {
    const argv =
      "--model m --ids 1,20 --max-tokens 5 --stop x --temperature 0.5 --top-k 3 --top-p 0.9 --min-p 0.1 " +
      "--repetition-penalty 1.1 --seed 7 --cache bitmap --select double-sparsity --profile p.json --device wasm --threads 2";
    assertEquals(readGenerateArgs(argv.split(" ")), {
      model: "m",
      prompt: { ids: [1, 20] },
      sampling: { temperature: 0.5, topK: 3, topP: 0.9, minP: 0.1, repetitionPenalty: 1.1, seed: 7 },
      maxTokens: 5,
      stop: "x",
      cache: "bitmap",
      select: "double-sparsity",
      profile: "p.json",
      device: "wasm",
      threads: 2,
    });
    assertEquals(readGenerateArgs([...model, "--prompt", ""]), {
      model: "m",
      prompt: { text: "" },
      sampling: {},
    });
    assertEquals(readGenerateArgs([...model, "--chat=-1"]), {
      model: "m",
      prompt: { chat: "-1" },
      sampling: {},
    });
    assertEquals(readGenerateArgs(["-h"]), "help");
  });

  test("readGenerateArgs() refuses what makes no sense", () => {
    const prompt = [...model, "--prompt", "a"];
    const cases: [string[], string][] = [
      [[], "Name the model"],
      [["--model", "", "--prompt", "a"], "Name the model"],
      [model, "Give one of --prompt TEXT, --chat TEXT and --ids 1,2,3"],
      [[...prompt, "--ids", "1"], "Give one of"],
      [[...model, "--ids", "1,,2"], 'has ""'],
      [[...model, "--ids", "1.5"], 'has "1.5"'],
      [[...prompt, "more"], 'Unexpected argument "more"'],
      [[...prompt, "--max-tokens", "many"], '--max-tokens must be a number but is "many"'],
      [[...prompt, "--seed", ""], "--seed must be a number"],
      [[...prompt, "--cache", "int2"], '--cache must be one of dense, f16, int8, int4, bitmap but is "int2"'],
      [[...prompt, "--select", "magic"], "--select must be one of"],
      [[...prompt, "--select", "lserve"], "needs --profile FILE"],
      [[...prompt, "--profile", "p"], "is for --select"],
      [[...prompt, "--device", "cpu"], "--device must be"],
      [[...prompt, "--threads", "0"], "--threads must be"],
      [[...prompt, "--prompt", "b"], "--prompt is given twice"],
      [[...prompt, "--nonsense"], "see --help"],
    ];
    for (const [argv, message] of cases) assertThrows(() => readGenerateArgs(argv), UsageError, message);
  });
});
