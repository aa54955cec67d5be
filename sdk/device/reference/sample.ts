/**
 * Random draws on the reference device.
 *
 * @module
 */
import type { OpOf } from "../ops.ts";
import type { Memory } from "./_memory.ts";

/** One column of every row, drawn from softmax(scale * x) by the Gumbel-max trick. */
export function sample(memory: Memory, op: OpOf<"sample">): void {
  const x = memory.f32(op.x);
  const out = memory.i32(op.out);
  const base = pcg(op.draw + pcg(op.seed));
  for (let r = 0; r < op.rows; r++) {
    const row = pcg(r + base);
    let best = -Infinity;
    out[r] = 0;
    for (let c = 0; c < op.cols; c++) {
      const score = op.scale * x[r * op.cols + c]! + gumbel(pcg(c + row));
      if (score > best) {
        best = score;
        out[r] = c;
      }
    }
  }
}

/** A number of the standard Gumbel distribution from 23 random bits. */
function gumbel(bits: number): number {
  const u = ((bits >>> 9) + 0.5) * 2 ** -23;
  return -Math.log(-Math.log(u));
}

/** The hash pcg of 32 bits (Jarzynski and Olano 2020). */
function pcg(v: number): number {
  const s = (Math.imul(v, 747796405) + 2891336453) >>> 0;
  const w = Math.imul((s >>> ((s >>> 28) + 4)) ^ s, 277803737) >>> 0;
  return ((w >>> 22) ^ w) >>> 0;
}
