import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, mock, test } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "../testing/assert.ts";
import { main } from "./conformance.ts";

const TESTDATA = new URL("../../tabular/testdata/", import.meta.url);

/** Runs the command and keeps what it prints. */
async function run(...args: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const keep = (text: string): void => void lines.push(text);
  const mocks = [mock.method(console, "log", keep), mock.method(console, "error", keep)];
  try {
    return { code: await main(args), lines };
  } finally {
    for (const each of mocks) each.mock.restore();
  }
}

describe("the command conformance", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "filigree-conformance-"));
    await copyFile(new URL("tiny-one-feature.safetensors", TESTDATA), join(folder, "tiny.safetensors"));
  });
  after(() => rm(folder, { recursive: true }));

  test("replays a folder on the device that is named", async () => {
    const { code, lines } = await run(folder, "--device", "wasm", "--threads", "1");
    assertEquals([code, lines.length], [0, 2]);
    assertMatch(lines[0]!, /^Device: wasm \(/);
    assertMatch(lines[1]!, /^tiny\.safetensors +ok +7 checks/);
  });

  test("replays a language model with the configuration beside it, which is no file of its own", async () => {
    const models = await mkdtemp(join(tmpdir(), "filigree-conformance-"));
    try {
      for (const name of ["qwen3-tiny.safetensors", "qwen3-tiny.config.json"]) {
        await copyFile(new URL(`../lm/testdata/${name}`, import.meta.url), join(models, name));
      }
      const { code, lines } = await run(models, "--device", "wasm", "--threads", "1");
      assertEquals([code, lines.length], [0, 2]);
      assertMatch(lines[1]!, /^qwen3-tiny\.safetensors +ok +6 checks {2}selections exact/);
    } finally {
      await rm(models, { recursive: true });
    }
  });

  test("replays a folder on every device that works when none is named, and says which do not", async () => {
    const { code, lines } = await run(folder);
    assertEquals(code, 0);
    assertEquals(lines.filter((line) => line.startsWith("Device:")).length, 2);
    assertMatch(lines.find((line) => line.includes("webgpu"))!, /^Device: (webgpu \(.+\)|no webgpu: .+)$/);
  });

  test("ends with 1 and names the number when a file is missed", async () => {
    const text = await readFile(new URL("rng.json", TESTDATA), "utf8");
    const wrong = await mkdtemp(join(tmpdir(), "filigree-conformance-"));
    try {
      await writeFile(
        join(wrong, "rng.json"),
        text.replace(/\d(?=[,\]])/, (digit) => String((Number(digit) + 1) % 10)),
      );
      const { code, lines } = await run(wrong, "--device", "reference");
      assertEquals(code, 1);
      assertStringIncludes(lines.at(-1)!, "MISS");
    } finally {
      await rm(wrong, { recursive: true });
    }
  });

  test("ends with 2 without a folder, with two, with an empty one and with a device that is not known", async () => {
    assertStringIncludes((await run()).lines[0]!, "Usage:");
    const empty = await mkdtemp(join(tmpdir(), "filigree-conformance-"));
    try {
      const calls = [[], [folder, folder], [empty, "--device", "reference"], [folder, "--device", "abacus"], [
        folder,
        "--speed",
      ]];
      for (const args of calls) assertEquals((await run(...args)).code, 2, args.join(" "));
    } finally {
      await rm(empty, { recursive: true });
    }
  });
});
