import { createDevice } from "../sdk/device/core_device.ts";
import { CASES, describeDevice } from "../sdk/device/conformance/run.ts";
import { assertEquals } from "../sdk/testing/assert.ts";
import { gpu } from "./_test_gpu.ts";
import type { Caps } from "./kernel.ts";
import { openWebGPU } from "./open_webgpu.ts";

const PORTABLE: Partial<Caps> = { f16: false, subgroups: false, workgroupBytes: 1 << 14, invocations: 256 };

/** What is left of the adapter, and the cases to run: software GPUs take a second for every kernel that they compile. */
const DEVICES: readonly (readonly [title: string, caps: Partial<Caps>, cases: RegExp])[] = [
  ["WebGPU as the adapter is", {}, /./],
  ["WebGPU with portable kernels", PORTABLE, /f16 weights, \[(7|33|64|130),|128\]|norms|1000\]|half/],
  [
    "WebGPU with bindings of 128 KiB",
    { maxBinding: 1 << 17 },
    /\[(64|65|130),|130, 64\]|^(copies|rope|group|scan|compact|topk|sample|embed|binary)/,
  ],
];

if (gpu) {
  const real = gpu;
  for (const [title, caps, pattern] of DEVICES) {
    const open = async () => createDevice(await openWebGPU({ software: true, gpu: real, caps }));
    const cases = CASES.filter(({ name }) => pattern.test(name));
    await describeDevice(title, open, ({ kind }) => assertEquals(kind, "webgpu"), cases);
  }
}
