/**
 * Running other programs.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder of the project. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** What a program did. */
export interface Finished {
  /** Its exit code. */
  code: number;
  /** What it wrote to standard output and standard error, in order. */
  output: string;
}

/**
 * Runs a program and waits until it ends.
 *
 * @param command The program and its arguments.
 * @param options `cwd` is where it runs (default: the project); `show` passes its output on; `env` adds variables.
 * @returns The exit code and the output without colours.
 */
export function run(
  command: readonly string[],
  options: { cwd?: string; show?: boolean; env?: Record<string, string> } = {},
): Promise<Finished> {
  const { cwd = root, show = false, env = {} } = options;
  const [program, ...args] = command as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const [stream, sink] of [[child.stdout, process.stdout], [child.stderr, process.stderr]] as const) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output += text;
        if (show) sink.write(text);
      });
    }
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code: code ?? 1, output: signal ? `${output}\nEnded by ${signal}` : output });
    });
  });
}

/** Deno, as it runs this script. */
export const deno: string = process.execPath;

/**
 * Finds Bun: in the project, on the path, or through npx, which downloads it.
 *
 * @returns The start of a command line.
 */
export async function findBun(): Promise<string[]> {
  const local = `${root}node_modules/.bin/bun`;
  if (existsSync(local)) return [local];
  const installed = await run(["bun", "--version"]).catch(() => ({ code: 1 }));
  return installed.code === 0 ? ["bun"] : ["npx", "-y", "bun@1.4.5"];
}
