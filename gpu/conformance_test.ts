import { createDevice } from "../sdk/device/core_device.ts";
import { CASES, describeDevice } from "../sdk/device/conformance/run.ts";
import { assertEquals } from "../sdk/testing/assert.ts";
import { gpu, slow } from "./_test_gpu.ts";
import type { Caps } from "./kernel.ts";
import { openWebGPU } from "./open_webgpu.ts";

const PORTABLE: Partial<Caps> = { f16: false, subgroups: false, workgroupBytes: 1 << 14, invocations: 256 };

/** A few of each operation, for GPUs that take seconds to compile a kernel. */
const FEW =
  /decodeRows.* 12\/3 |scoreRows.*, 63 |readRows.* 70 |quantize\(\) of \[5|packBitmap\(\) of 3|weights, \[8, 15|of \[2, 7, 16|norms and softmax\(\) of \[(3|2, 1000)|^(sample|scan|compact|topk|reduce)\(\) of \[(3|5|9)|attend\(\) with 4 heads|rope|copies of \[2|unary|binary\(\) (add|div|comp)|cast|groupMean|lineSums.*130|mark\(\) of \[3|mergeLines\(\) of 7|lineTiles\(\) of 2/;

/** What is left of the adapter, and the cases to run: a second for every kernel that a software GPU compiles adds up. */
const DEVICES: readonly (readonly [title: string, caps: Partial<Caps>, cases: RegExp])[] = slow
  ? [["WebGPU as the adapter is", {}, FEW]]
  : [
    ["WebGPU as the adapter is", {}, /./],
    [
      "WebGPU with portable kernels",
      PORTABLE,
      /f16 weights, \[(7|33|130),|128\]|norms|1000\]|half|decodeRows.* 8\/1 /,
    ],
    [
      "WebGPU with bindings of 128 KiB",
      { maxBinding: 1 << 17 },
      /\[(65|130),|130, 64\]|^(copies|topk|binary|packBitmap\(\) of 3)/,
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
