/**
 * Rotary embedding and attention on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** Rotates pairs of columns by position * frequency. */
export function rope(memory: Memory, op: OpOf<"rope">): void {
  const x = memory.f32(op.x);
  const freqs = memory.f32(op.freqs);
  const half = op.headDim / 2;
  for (let r = 0; r < op.rows; r++) {
    const position = op.start + (r % op.length);
    for (let h = 0; h < op.heads; h++) {
      const base = r * op.stride + op.offset + h * op.headDim;
      for (let i = 0; i < half; i++) {
        const a = base + (op.interleaved ? 2 * i : i);
        const b = op.interleaved ? a + 1 : a + half;
        const [cos, sin] = [Math.cos(position * freqs[i]!), Math.sin(position * freqs[i]!)];
        const [xa, xb] = [x[a]!, x[b]!];
        x[a] = xa * cos - xb * sin;
        x[b] = xb * cos + xa * sin;
      }
    }
  }
}

/** softmax(scale * q k^T) v over visible keys; the scores of a query are held at once. */
export function attention(memory: Memory, op: OpOf<"attention">): void {
  const { headDim, lq, lk } = op;
  const q = memory.f32(op.q);
  const k = memory.reader(op.k, op.kvtype);
  const v = memory.reader(op.v, op.kvtype);
  const mask = op.mask ? memory.u8(op.mask) : undefined;
  const lens = op.lens ? memory.i32(op.lens) : undefined;
  const out = memory.f32(op.out);
  const lse = op.lse ? memory.f32(op.lse) : undefined;
  for (let b = 0; b < op.batch; b++) {
    for (let h = 0; h < op.heads; h++) {
      const kvHead = Math.floor(h * op.kvHeads / op.heads);
      const kBase = op.kOffset + b * op.kBatch + kvHead * op.kHead;
      const vBase = op.vOffset + b * op.vBatch + kvHead * op.vHead;
      for (let i = 0; i < lq; i++) {
        const qBase = op.qOffset + b * op.qBatch + h * op.qHead + i * op.qRow;
        const scores = new Float64Array(lk).fill(-Infinity);
        let top = -Infinity;
        for (let j = 0; j < lk; j++) {
          if ((lens && j >= lens[b]!) || (mask && mask[i * lk + j] === 0) || (op.causal && j > i + lk - lq)) {
            continue;
          }
          let score = 0;
          for (let d = 0; d < headDim; d++) score += q[qBase + d]! * k(kBase + j * op.kRow + d);
          scores[j] = score * op.scale;
          top = Math.max(top, scores[j]!);
        }
        let sum = 0;
        const mix = new Float64Array(headDim);
        for (let j = 0; j < lk; j++) {
          if (scores[j] === -Infinity) continue;
          const power = Math.exp(scores[j]! - top);
          sum += power;
          for (let d = 0; d < headDim; d++) mix[d]! += power * v(vBase + j * op.vRow + d);
        }
        const base = b * op.outBatch + h * op.outHead + i * op.outRow;
        for (let d = 0; d < headDim; d++) out[base + d] = top === -Infinity ? 0 : mix[d]! / sum;
        if (lse) lse[(b * op.heads + h) * lq + i] = top === -Infinity ? -Infinity : top + Math.log(sum);
      }
    }
  }
}
