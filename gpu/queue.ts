/**
 * Records dispatches into batches and submits them.
 *
 * Parameters of all dispatches of a batch lie in one uniform buffer, which is written just before the batch is submitted; bind
 * groups are kept, because the pool hands out the same buffers call after call.
 *
 * @module
 */
import { ALIGNMENT, type Dispatch, foldGroups, writeParams } from "./kernel.ts";
import { Pipelines } from "./pipelines.ts";
import type { Pooled } from "./pool.ts";

/** Dispatches of a batch at most. */
const MOST = 256;
/** Bind groups that are kept at most. */
const MOST_GROUPS = 4096;
/** UNIFORM | COPY_DST, and STORAGE. */
const UNIFORM = 0x40 | 0x8;
const STORAGE = 0x80;

/** What goes wrong on the device's side, told by error scopes. */
export type OnError = (error: GPUError, batch: number) => void;

/** Records and submits. */
export class CommandQueue {
  /** Number of the batch that is recorded now. */
  batch = 0;
  /** Times in nanoseconds are written here, if set: begin and end of the next batches. */
  timestamps: GPUQuerySet | undefined;
  readonly pipelines: Pipelines;
  readonly #device: GPUDevice;
  readonly #onError: OnError;
  readonly #params = new DataView(new ArrayBuffer(MOST * ALIGNMENT));
  readonly #uniforms: GPUBuffer;
  /** Stand for tensors that are not there; written ones get a range each, so that none is bound twice. */
  readonly #nothing: { read: GPUBuffer; write: GPUBuffer };
  readonly #groups = new Map<string, GPUBindGroup>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #count = 0;
  /** Error scopes whose outcome is not known yet. */
  readonly #scopes = new Set<Promise<void>>();
  /** The times whose beginning is written; later passes only move the end. */
  #begun: GPUQuerySet | undefined;

  constructor(device: GPUDevice, onError: OnError) {
    this.#device = device;
    this.#onError = onError;
    this.pipelines = new Pipelines(device);
    this.#uniforms = device.createBuffer({ size: MOST * ALIGNMENT, usage: UNIFORM });
    this.#nothing = {
      read: device.createBuffer({ size: ALIGNMENT, usage: STORAGE }),
      write: device.createBuffer({ size: 8 * ALIGNMENT, usage: STORAGE }),
    };
  }

  /** Records one dispatch; `find` gives buffers by number and marks them used. */
  dispatch(dispatch: Dispatch, find: (id: number) => Pooled): void {
    const { kernel, constants, bind, params, groups } = dispatch;
    if (groups < 1) return;
    if (this.#count === MOST) this.submit();
    const encoder = this.#begin();
    this.#pass ??= this.#beginPass(encoder);
    const { pipeline, layout, number } = this.pipelines.get(kernel, constants);
    let key = `${number}`;
    const entries = Object.values(kernel.bindings).map((access, binding): GPUBindGroupEntry => {
      const { id, offset, bytes } = bind[binding]!;
      if (id === 0) {
        const buffer = this.#nothing[access];
        return {
          binding,
          resource: { buffer, offset: access === "read" ? 0 : binding * ALIGNMENT, size: ALIGNMENT },
        };
      }
      const pooled = find(id);
      const size = Math.min(Math.ceil(bytes / 16) * 16, pooled.size - offset);
      key += ` ${binding}:${pooled.number}+${offset}+${size}`;
      return { binding, resource: { buffer: pooled.buffer, offset, size } };
    });
    let group = this.#groups.get(key);
    if (group === undefined) {
      // The whole slot: wgpu takes the size that the last kernel of the same layout expects for this one's.
      entries.push({
        binding: entries.length,
        resource: { buffer: this.#uniforms, offset: 0, size: ALIGNMENT },
      });
      group = this.#device.createBindGroup({ layout, entries });
      if (this.#groups.size >= MOST_GROUPS) this.#groups.clear();
      this.#groups.set(key, group);
    }
    const offset = this.#count * ALIGNMENT;
    writeParams(kernel, params, this.#params, offset);
    this.#count++;
    const [x, y] = foldGroups(groups);
    this.#pass.setPipeline(pipeline);
    this.#pass.setBindGroup(0, group, [offset]);
    this.#pass.dispatchWorkgroups(x, y);
  }

  /** Records copies between buffers, outside of compute passes. */
  copy(record: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#begin();
    this.#endPass();
    record(encoder);
  }

  /** Sends what was recorded, if anything; returns whether. */
  submit(): boolean {
    const encoder = this.#encoder;
    if (encoder === undefined) return false;
    this.#endPass();
    const { queue } = this.#device;
    const bytes = this.#count * ALIGNMENT;
    if (bytes > 0) queue.writeBuffer(this.#uniforms, 0, this.#params.buffer, 0, bytes);
    queue.submit([encoder.finish()]);
    this.#encoder = undefined;
    this.#count = 0;
    this.batch++;
    this.#endScope(this.batch - 1);
    return true;
  }

  /** Runs something inside an error scope of its own. */
  guard<T>(filter: GPUErrorFilter, run: () => T): T {
    this.#device.pushErrorScope(filter);
    try {
      return run();
    } finally {
      this.#endScope(this.batch);
    }
  }

  /** Resolves when all errors up to now are told. */
  async settled(): Promise<void> {
    await Promise.all(this.#scopes);
  }

  /** Forgets bind groups that may refer to a buffer that is gone. */
  forget(): void {
    this.#groups.clear();
  }

  #begin(): GPUCommandEncoder {
    if (this.#encoder === undefined) {
      this.#device.pushErrorScope("validation");
      this.#encoder = this.#device.createCommandEncoder();
    }
    return this.#encoder;
  }

  #beginPass(encoder: GPUCommandEncoder): GPUComputePassEncoder {
    const querySet = this.timestamps;
    if (querySet === undefined) return encoder.beginComputePass();
    const first = this.#begun !== querySet;
    this.#begun = querySet;
    return encoder.beginComputePass({
      timestampWrites: { querySet, ...(first && { beginningOfPassWriteIndex: 0 }), endOfPassWriteIndex: 1 },
    });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }

  #endScope(batch: number): void {
    const scope = this.#device.popErrorScope().then(
      (error) => void (error && this.#onError(error, batch)),
      // A device that is gone answers for itself.
      () => {},
    ).finally(() => this.#scopes.delete(scope));
    this.#scopes.add(scope);
  }
}
