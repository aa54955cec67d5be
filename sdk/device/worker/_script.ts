/**
 * A program for tests: opens a device as its argument says, computes, prints, and ends without disposing of anything.
 *
 * @module
 */
import { fill, openDevice, type OpenDeviceOptions } from "../mod.ts";

interface Process {
  readonly argv: readonly string[];
}

const { process } = globalThis as unknown as { process: Process };
const device = await openDevice(JSON.parse(process.argv[2] ?? "{}") as OpenDeviceOptions);
const x = device.tensor(new Float32Array(4), [4]);
fill(device, x, 7);
console.log(JSON.stringify({ adapter: device.report.adapter, values: [...await x.read()] }));
