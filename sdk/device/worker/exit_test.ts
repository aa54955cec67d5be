import { execFile } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals } from "../../testing/assert.ts";

const SCRIPT = fileURLToPath(new URL("./_script.ts", import.meta.url));
const inDeno = "Deno" in globalThis;

/** Runs the script in this runtime; it must end by itself within 20 s. */
async function runScript(
  options: object,
  flags: string[],
): Promise<{ adapter: string; values: number[]; ms: number }> {
  const begin = performance.now();
  const runtime = inDeno ? ["run", "--no-prompt", ...flags] : ["run"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...runtime,
    SCRIPT,
    JSON.stringify(options),
  ], {
    timeout: 20_000,
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { ...JSON.parse(stdout), ms: performance.now() - begin };
}

describe("a script that forgets to dispose", () => {
  for (const offThread of [false, true]) {
    test(`ends by itself with ${offThread ? "an off-thread device" : "a pool of workers"}`, async () => {
      const { adapter, values, ms } = await runScript({ prefer: "wasm", threads: 3, offThread }, ["-A"]);
      assertEquals(values, [7, 7, 7, 7]);
      assert(adapter.includes("3 threads"), adapter);
      assert(ms < 10_000, `${ms} ms`);
    });
  }
});

describe("a script that prefers nothing", () => {
  test("ends without a crash, each of five times, with an off-thread device", async () => {
    for (let i = 0; i < 5; i++) {
      const { adapter, values } = await runScript({ offThread: true }, ["-A"]);
      assertEquals(values, [7, 7, 7, 7]);
      assert(adapter.endsWith("off-thread"), adapter);
    }
  });
});

describe("a script without permissions", { skip: !inDeno && "only Deno has permissions" }, () => {
  for (const flags of [[], ["--allow-net"]]) {
    for (const offThread of [false, true]) {
      test(`opens a device with threads${offThread ? " off-thread" : ""} (flags: ${flags})`, async () => {
        const { adapter, values } = await runScript({ prefer: "wasm", threads: 2, offThread }, flags);
        assertEquals(values, [7, 7, 7, 7]);
        assert(adapter.includes("2 threads"), adapter);
      });
    }
  }
});
