import { random } from "../sdk/testing/random.ts";
import { plan, caps } from "./harness.ts";
import { decodeOp, far, results, variant, type Variant } from "./bitmap.ts";
const r = random(5);
const normals = (n: number) => Float32Array.from(r.normals(n));
export async function checkBitmap(variants: readonly Variant[]) {
  for (const shape of [
    { kv: 2, group: 4, D: 128, rows: 300, drop: [89, 64] },
    { kv: 1, group: 1, D: 64, rows: 64, drop: [32, 32] },
    { kv: 3, group: 3, D: 128, rows: 1000, drop: [1, 127], band: [70, 200] },
    { kv: 1, group: 2, D: 256, rows: 500, drop: [100, 200] },
    { kv: 1, group: 8, D: 512, rows: 200, drop: [256, 256], band: [4, 64] },
  ] as const) {
    const op = decodeOp(shape, normals);
    const base = plan(op);
    const want = await results(op, variant(base, { source: "old" }));
    const line: string[] = [];
    for (const v of variants) {
      try { line.push(far(await results(op, variant(base, v)), want).toExponential(1)); } catch (e) { line.push(String(e)); }
    }
    console.log("check bitmap", JSON.stringify(shape), line.join(" "));
  }
}
if (import.meta.main) {
  await checkBitmap([{}, { ahead: 4 }, { warps: 8 }, { f16: false }, { busy: 1 }]);
  Deno.exit(0);
}
