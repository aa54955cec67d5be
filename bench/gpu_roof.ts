/**
 * The arithmetic roof of a GPU: multiply-adds on registers alone, timed by its own clock.
 *
 * @module
 */
import { findGPU } from "../gpu/runtime.ts";

const THREADS = 256;
const GROUPS = 4096;
const ROUNDS = 512;
/** Vector multiply-adds of a round, and operations of each. */
const PER_ROUND = 16 * 4 * 2;

const names = Array.from({ length: 16 }, (_, i) => `s${i}`);
const code = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(f32(id.x) * 1e-9 + 0.5);
  let b = vec4f(f32(id.x & 7u) * 1e-3);
  ${names.map((name, i) => `var ${name} = vec4f(${i}.0) * a;`).join("\n  ")}
  for (var i = 0u; i < ${ROUNDS}u; i++) {
    ${names.map((name) => `${name} = fma(${name}, a, b);`).join("\n    ")}
  }
  let sum = ${names.join(" + ")};
  if (sum.x == 12345.0) { out[0] = sum; }
}`;

/** The best of some runs, in TFLOP/s of float32. */
export async function gpuRoof(runs = 5): Promise<number> {
  const adapter = await (await findGPU()).requestAdapter();
  const device = await adapter!.requestDevice({ requiredFeatures: ["timestamp-query"] });
  const out = device.createBuffer({ size: 256, usage: 0x80 });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }), entryPoint: "main" } });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: out } }] });
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 });
  const times = device.createBuffer({ size: 16, usage: 0x200 | 0x4 });
  const read = device.createBuffer({ size: 16, usage: 0x1 | 0x8 });
  let best = 0;
  for (let run = 0; run < runs; run++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({ timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(GROUPS);
    pass.end();
    encoder.resolveQuerySet(querySet, 0, 2, times, 0);
    encoder.copyBufferToBuffer(times, 0, read, 0, 16);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(1);
    const [begin, end] = new BigUint64Array(read.getMappedRange().slice(0));
    read.unmap();
    best = Math.max(best, GROUPS * THREADS * ROUNDS * PER_ROUND / (Number(end! - begin!) * 1e3));
  }
  device.destroy();
  return best;
}
