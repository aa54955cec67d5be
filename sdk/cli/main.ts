/**
 * Entry of the command `predict`: connects it to the files, the terminal and the classifier.
 *
 * @module
 */

import process from "node:process";
import { OrionMSPClassifier } from "../../tabular/mod.ts";
import { openDevice } from "../device/mod.ts";
import type { Session } from "./dependencies.ts";
import { readBytes, writeBytes } from "./node_files.ts";
import { runPredict } from "./predict.ts";

const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: Error & { code?: string }) => {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error: Cannot write the report: ${error.message}\n`);
  process.exit(1);
});

process.exitCode = await runPredict(process.argv.slice(2), {
  async open({ device: prefer, threads, signal }): Promise<Session> {
    const device = await openDevice({ signal, ...(prefer && { prefer }), ...(threads && { threads }) });
    try {
      const predictor = await OrionMSPClassifier.load({ device, signal });
      const close = (): void => {
        predictor.dispose();
        device.dispose();
      };
      return {
        predictor,
        // Asked for at the end: it may have been lost and replaced meanwhile.
        get device(): string {
          const { adapter } = device.report;
          return adapter.startsWith(device.kind) ? adapter : `${device.kind}: ${adapter}`;
        },
        close,
      };
    } catch (error) {
      device.dispose();
      throw error;
    }
  },
  readFile: readBytes,
  writeFile: writeBytes,
  print: (text) => void process.stdout.write(text),
  printError: (text) => void process.stderr.write(text),
  terminal: process.stdout.isTTY && process.stderr.isTTY ? process.stderr : undefined,
  signal: interrupt.signal,
});
