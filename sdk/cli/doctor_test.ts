import { execFile } from "node:child_process";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Backend } from "../device/mod.ts";
import { createDevice, type DeviceKind, type OpenDeviceOptions } from "../device/mod.ts";
import { openReference } from "../device/reference/mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "../testing/assert.ts";
import { runDoctor } from "./doctor.ts";
import type { Diagnosis } from "./doctor_report.ts";

/** Backends by kind, made of the reference; a kind that is left out or an error does not open. */
type Machine = { readonly [K in DeviceKind]?: Partial<Backend> | Error };

/** Runs the command on a machine that the test makes up. */
async function doctor(
  machine: Machine,
  ...argv: string[]
): Promise<{ code: number; out: string; err: string }> {
  const result = { out: "", err: "" };
  const code = await runDoctor(argv, {
    open({ prefer }: OpenDeviceOptions = {}) {
      const tried = [];
      for (const kind of prefer === "wasm" ? ["wasm"] as const : ["webgpu", "wasm"] as const) {
        const own = machine[kind] ?? new Error("There is none");
        if (own instanceof Error) {
          tried.push({ kind, ok: false, reason: own.message, ms: 5 });
          continue;
        }
        tried.push({ kind, ok: true, reason: "It works", ms: 7 });
        return Promise.resolve(createDevice({ ...openReference(), kind, ...own }, tried));
      }
      return Promise.reject(new Error("Cannot open a device: nothing works"));
    },
    surroundings: () => ({ filigree: "1.2.3", runtime: "Test 4.5", system: "toaster mips", cores: 1 }),
    workload: { size: 8, bytes: 2 ** 20 },
    print: (text) => result.out += text,
    printError: (text) => result.err += text,
  });
  return { code, ...result };
}

const GPU: Partial<Backend> = {
  report: {
    adapter: "a GPU",
    features: Array.from({ length: 9 }, (_, i) => `feature-${i}`),
    variants: ["f16"],
    measured: { readbackMs: 11.25, bytesPerSecond: 2e12 },
  },
};

describe("doctor", () => {
  test("doctor prints what was found about every kind, and what is picked", async () => {
    const { code, out, err } = await doctor({ webgpu: GPU, wasm: {} });
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /^Filigree 1\.2\.3 on Test 4\.5, toaster mips, 1 core\n\n {10,}webgpu +wasm\n─/);
    assertMatch(out, /\nworks +yes +yes\nopened in +7 ms +7 ms\nadapter +a GPU +plain TypeScript\n/);
    assertMatch(out, /\nknown answer +error \d\.\de-\d+ +error \d\.\de-\d+\n/);
    assertMatch(
      out,
      /\nlinear 8\^3 +\d+\.\d GFLOP\/s +\d+\.\d GFLOP\/s\nrelu 1 MiB +\d+\.\d GB\/s +\d+\.\d GB\/s\n/,
    );
    assertMatch(out, /\ncopy +2000\.0 GB\/s +-\nreadback +11\.25 ms +-\n/);
    assertStringIncludes(out, "\nopenDevice() takes webgpu (a GPU): It works\n");
    assertMatch(out, /\nwebgpu +yes +7 ms +It works\n$/);
    for (let i = 0; i < 9; i++) assertStringIncludes(out, `feature-${i}`);
    assert(out.split("\n").every((line) => line.length <= 120 && line === line.trimEnd()));
  });

  test("doctor works on a machine without a GPU, and keeps the whole reason", async () => {
    const reason = "The driver is of another age: ".repeat(6);
    const { code, out } = await doctor({ webgpu: new Error(reason), wasm: {} });
    assertEquals(code, 0);
    assertEquals(out.match(/driver/g)!.length, 12);
    assertStringIncludes(out, "openDevice() takes wasm");
    assertMatch(out, /\nadapter +- +plain TypeScript\n/);
  });

  test("doctor exits with 1 when nothing works, and still reports", async () => {
    const { code, out, err } = await doctor({});
    assertEquals([code, err], [1, ""]);
    assertStringIncludes(out, "openDevice() finds no device that works");
  });

  test("doctor tells of a device that computes wrong", async () => {
    const read = (_id: number, _from: number, bytes: number): Promise<ArrayBuffer> =>
      Promise.resolve(new ArrayBuffer(bytes));
    const { code, out } = await doctor({ webgpu: { ...GPU, read }, wasm: {} });
    assertEquals(code, 0);
    assertMatch(out, /\nworks +no: It computes wrong: error 1\.0e\+0 +yes\n/);
  });

  test("doctor tells of a device that fails while it computes", async () => {
    const run = (): never => {
      throw new Error("the kernel is on fire");
    };
    const { code, out } = await doctor({ wasm: { run } });
    assertEquals(code, 1);
    assertStringIncludes(out, "the kernel is on fire");
  });

  test("doctor --json prints one object and nothing else", async () => {
    const { out } = await doctor({ webgpu: GPU, wasm: {} }, "--json");
    const found = JSON.parse(out) as Diagnosis;
    assertEquals(found.devices.map(({ kind, ok }) => [kind, ok]), [["webgpu", true], ["wasm", true]]);
    assertEquals([found.devices[0]!.readbackMs, found.devices[0]!.copyBytesPerSecond], [11.25, 2e12]);
    assert(
      found.devices.every(({ linearFlops, memoryBytesPerSecond }) =>
        linearFlops! > 0 && memoryBytesPerSecond! > 0
      ),
    );
    assertEquals([found.picked?.kind, found.tried.length, found.filigree], ["webgpu", 1, "1.2.3"]);
  });

  test("doctor prints its help, and refuses arguments that it does not know", async () => {
    assertMatch((await doctor({}, "--help")).out, /^Say what/);
    for (const argument of ["--nope", "extra", "--json=yes"]) {
      const { code, out, err } = await doctor({}, argument);
      assertEquals([code, out], [2, ""]);
      assertMatch(err, /^error: [^\n]+; see --help\n$/);
    }
  });
});

/** Runs the command in a process of its own. */
async function run(flags: readonly string[]): Promise<Diagnosis> {
  const script = fileURLToPath(new URL("doctor.ts", import.meta.url));
  const runtime = "Deno" in globalThis ? ["run", "--no-prompt", ...flags] : [];
  const { stdout } = await promisify(execFile)(process.execPath, [...runtime, script, "--json"]);
  return JSON.parse(stdout);
}

describe("the command doctor", () => {
  for (const flags of [["-A"], []]) {
    const skip = flags.length === 0 && !("Deno" in globalThis) && "only Deno has permissions";
    test(
      `doctor examines this machine ${flags.length === 0 ? "without permissions" : ""}`,
      { skip },
      async () => {
        const { filigree, runtime, cores, devices, picked, tried } = await run(flags);
        assertMatch(filigree, /^\d+\.\d+\.\d+/);
        assertMatch(runtime, /^(Deno|Bun) \d/);
        assert(cores >= 1);
        assertEquals(devices.map(({ kind }) => kind), ["webgpu", "wasm"]);
        assert(devices[1]!.ok, devices[1]!.reason);
        assert(devices[1]!.linearFlops! > 1e8);
        assertEquals(tried.at(-1)?.kind, picked?.kind);
        assertNotMatch(JSON.stringify(devices), /undefined/);
      },
    );
  }
});
