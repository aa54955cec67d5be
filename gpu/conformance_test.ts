import { createDevice } from "../sdk/device/core_device.ts";
import { assertEquals } from "../sdk/testing/assert.ts";
import { describeDevice } from "../sdk/device/conformance/run.ts";
import type { Caps } from "./kernel.ts";
import { openWebGPU } from "./open_webgpu.ts";
import { gpu } from "./_test_gpu.ts";

/** What is left of the adapter, by title. */
const DEVICES: Readonly<Record<string, Partial<Caps>>> = {
  "WebGPU as the adapter is": {},
  "WebGPU with portable kernels": { f16: false, subgroups: false, workgroupBytes: 1 << 14, invocations: 256 },
  "WebGPU with bindings of 32 KiB": { maxBinding: 1 << 15 },
};

if (!(gpu instanceof Error)) {
  for (const [title, caps] of Object.entries(DEVICES)) {
    const open = async () => createDevice(await openWebGPU({ software: true, gpu, caps }));
    await describeDevice(title, open, ({ kind }) => assertEquals(kind, "webgpu"));
  }
}
