/**
 * Starts an example that serves, as its users do, for tests.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** An example that runs. */
export interface Started {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** Its port. */
  readonly port: number;
  /** Ends it, and waits until it has ended. */
  stop(): Promise<void>;
}

/** How to start it. */
export interface StartOptions {
  /** Arguments of the example. */
  readonly args?: readonly string[];
  /** Permissions; Bun knows none. */
  readonly permissions?: readonly string[];
}

/**
 * Starts an example and waits until it says where it listens.
 *
 * @param file Its name.
 * @param options `permissions` is by default the network alone.
 * @returns The server.
 */
export function startExample(
  file: string,
  { args = [], permissions = ["--allow-net"] }: StartOptions = {},
): Promise<Started> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const command = "Bun" in globalThis
    ? ["--port", "0", path]
    : ["serve", "--no-prompt", "--host", "127.0.0.1", "--port", "0", ...permissions, path];
  const child = spawn(process.execPath, [...command, ...args], { env: { ...process.env, NO_COLOR: "1" } });
  const ended = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return new Promise((resolve, reject) => {
    let output = "";
    const read = (text: unknown): void => {
      output += text;
      const port = Number(/https?:\/\/[\w.]+:(\d+)/.exec(output)?.[1] ?? NaN);
      if (Number.isNaN(port)) return;
      const stop = async (): Promise<void> => {
        child.kill("SIGKILL");
        await ended;
      };
      resolve({ url: `http://127.0.0.1:${port}`, port, stop });
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`The server ended with ${code}:\n${output}`)));
  });
}
