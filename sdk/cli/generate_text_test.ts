import { afterEach, beforeEach, describe, test } from "node:test";
import { type Device, openDevice } from "../device/mod.ts";
import { FakeModel, letters } from "../lm/_fake_test_model.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "../testing/assert.ts";
import type { ModelArgs } from "./generate_args.ts";
import { type GenerateDependencies, runGenerate, summary } from "./generate_text.ts";

describe("generate command", () => {
  let device: Device;
  beforeEach(async () => {
    device = await openDevice({ prefer: "reference" });
  });
  afterEach(() => device.dispose());

  /** Runs the command on a fake model, and stops it after some prints. */
  async function run(argv: string[], { text = false, stopAfter = Infinity } = {}) {
    const lm = new FakeModel(device, text ? { tokenizer: letters("abcdefghijklmno|") } : {});
    const interrupt = new AbortController();
    const result = { out: [] as string[], err: "", opened: [] as ModelArgs[], closed: 0, lm, code: 0 };
    const dependencies: GenerateDependencies = {
      open(args) {
        result.opened.push(args);
        return Promise.resolve({ lm, device: "fake", close: () => void result.closed++ });
      },
      print(part) {
        result.out.push(part);
        if (result.out.length === stopAfter) interrupt.abort();
      },
      printError: (part) => void (result.err += part),
      signal: interrupt.signal,
    };
    result.code = await runGenerate(argv, dependencies);
    assertEquals([result.closed, lm.gone], [result.opened.length, lm.made]);
    return result;
  }

  const LINE =
    /^prefill [\d.]+ tokens\/s \(\d tokens\), decode [\d.]+ tokens\/s \(5 tokens\), KV 32 bytes per token, \d+ bytes in total, fake\n$/;

  test("text is printed as it comes, then one line of figures", async () => {
    const { out, code, err, opened } = await run(
      ["--model", "m", "--prompt", "abc", "--max-tokens", "5", "--cache", "int8", "--threads", "2"],
      { text: true },
    );
    assertEquals([code, err], [0, ""]);
    assertEquals(out.length > 4, true);
    assertMatch(out.slice(0, -1).join(""), /^[a-o|]{5}\n$/);
    assertMatch(out.at(-1)!, LINE);
    assertEquals([opened[0]!.model, opened[0]!.cache, opened[0]!.threads], ["m", "int8", 2]);
  });

  test("a model without a tokenizer prints the ids that it would generate", async () => {
    const { out, lm } = await run(["--model", "m", "--ids", "1, 2,3", "--max-tokens", "5"]);
    assertEquals(out.slice(0, -1).join(""), `${(await lm.greedy([1, 2, 3], 5)).join(" ")}\n`);
    assertMatch(out.at(-1)!, LINE);
  });

  test("an interrupt ends the line that was printed and tells of itself", async () => {
    const { out, code, err } = await run(["--model", "m", "--prompt", "abc"], { text: true, stopAfter: 3 });
    assertEquals([code, err], [130, "Interrupted\n"]);
    assertEquals(out.length, 4);
    assertEquals(out[3], "\n");
  });

  test("what fails is told in one line, and the model is closed", async () => {
    const { code, err, out } = await run(["--model", "m", "--prompt", "abc"]);
    assertEquals([code, out], [1, []]);
    assertStringIncludes(err, "error: Cannot generate from text: the model has no tokenizer");
    const range = await run(["--model", "m", "--ids", "1", "--top-p", "7"]);
    assertStringIncludes(range.err, 'error: Cannot draw tokens: "topP" is 7');
    const chat = await run(["--model", "m", "--chat", "a"], { text: true });
    assertStringIncludes(chat.err, "no chat template");
  });

  test("wrong arguments give exit code 2 and load nothing", async () => {
    const { code, err, opened } = await run(["--prompt", "a"]);
    assertEquals([code, opened], [2, []]);
    assertStringIncludes(err, "error: Name the model");
  });

  test("--help prints how to use it", async () => {
    const { code, out } = await run(["--help"]);
    assertEquals(code, 0);
    assertStringIncludes(out.join(""), "deno task generate --model");
  });

  test("the line of figures has no speed where there is none", () => {
    const usage = { promptTokens: 1, completionTokens: 1, prefillMs: 10, decodeMs: 0, kvBytes: 3e7 };
    assertEquals(
      summary(usage, "d"),
      "prefill 100.0 tokens/s (1 token), decode - (1 token), KV 30.0 MB per token, 30.0 MB in total, d",
    );
  });
});
