// deno run -A --no-check --config deno.json .scratch_bench/bench.ts [short] [long] [quick] [only=bitmap|score|topk|list]
import { random } from "../sdk/testing/random.ts";
import type { Dispatch } from "../gpu/kernel.ts";
import type { Op } from "../sdk/device/ops.ts";
import { alloc, bytesOf, caps, context, copy, done, free, plan, quick, read, run, show, upload, warm } from "./harness.ts";
import { decodeOp, far, results, variant, type Variant } from "./bitmap.ts";
import { checkBitmap } from "./check.ts";
import { scoreRows as oldScore } from "./old_score.ts";

const t0 = performance.now();
const numbers = Deno.args.filter((a) => /^\d+$/.test(a)).map(Number);
const [short, long] = [numbers[0] ?? 32768, numbers[1] ?? 131072];
const only = Deno.args.find((a) => a.startsWith("only="))?.slice(5);
const wanted = (name: string) => !only || only.split(",").includes(name);
const stamp = (what: string) => console.log(`-- ${what} (${((performance.now() - t0) / 1000).toFixed(0)} s)`);
const r = random(3);
const normals = (n: number) => Float32Array.from(r.normals(n));
/** f16 [heads, n, D], the same rows for every head. */
function halves(heads: number, n: number, D: number): number {
  const x = upload(normals(n * D));
  const one = alloc(2 * n * D);
  run(plan({ op: "cast", x, out: one, n: n * D, from: 0, to: 1 } as unknown as Op));
  const all = alloc(2 * heads * n * D);
  for (let h = 0; h < heads; h++) copy(one, all, 2 * h * n * D, 2 * n * D);
  return all;
}
const dense = (k: number, v: number, kv: number, group: number, D: number, rows: number, room: number, more = {}) => ({
  op: "decode", q: upload(normals(kv * group * D)), k, v, meta: 0, table: 0, list: 0, band: 0, out: alloc(4 * kv * group * D), lse: alloc(4 * kv * group),
  heads: kv * group, kvHeads: kv, headDim: D, form: 1, group: D, first: 0, rows, total: rows, kHead: room * D, vHead: room * D, kMetaAt: 0, vMetaAt: 0,
  metaHead: 0, page: 1, tableHead: 0, lists: 1, listCap: 0, step: 1, merge: 0, scale: D ** -0.5, ...more,
} as unknown as Op);
/** Other text, constants or split of a decode's reader. */
function reread(base: readonly Dispatch[], { patch, busy, constants = {} }: { patch?: [string, (s: string) => string]; busy?: number; constants?: Record<string, number> }): Dispatch[] {
  const [reader, merge] = base as [Dispatch, Dispatch];
  const kernel = patch ? { ...reader.kernel, name: reader.kernel.name + patch[0], source: patch[1](reader.kernel.source) } : reader.kernel;
  const c = { ...reader.constants, ...constants } as Record<string, number>;
  const p = reader.params as Record<string, number>;
  const step = c["THREADS"]! / c["LANES"]! * c["DEEP"]!;
  const pairs = p["kvHeads"]! * Math.ceil(p["group"]! / c["R"]!);
  const chunk = Math.max(1, Math.ceil(p["named"]! / step / Math.ceil((busy ?? 1024) / pairs))) * step;
  const chunks = Math.ceil(p["named"]! / chunk);
  const bytes = 16 * p["kvHeads"]! * p["group"]! * chunks * (c["D"]! / 4 + 1);
  const parts = { id: alloc(bytes), offset: 0, bytes };
  return [
    { ...reader, kernel, constants: c, bind: [...reader.bind.slice(0, 7), parts], params: { ...p, chunk, chunks }, groups: pairs * chunks },
    { ...merge, bind: [parts, ...merge.bind.slice(1)], params: { ...merge.params, chunks } },
  ];
}

const VARIANTS: [string, Variant][] = [
  ["ahead 8", {}],
  ["ahead 4", { ahead: 4 }],
  ["ahead 16", { ahead: 16 }],
  ["ahead 8 warps 8", { warps: 8 }],
  ["ahead 16 warps 8", { warps: 8, ahead: 16 }],
  ["ahead 8 busy 2048", { busy: 2048 }],
  ["ahead 8 busy 4096", { busy: 4096 }],
  ["ahead 8 u32", { f16: false }],
  ["ahead 16 u32", { f16: false, ahead: 16 }],
];
/** Wrong results on purpose: what each part costs. */
const PARTS: [string, Variant][] = [
  ["without loads", { patch: ["_noload", (s) => s.replace("return f32($t[i]);", "return f32(i);").replace(/return unpack2x16float.*;/, "return f32(i);")] }],
  ["without ranks", { patch: ["_norank", (s) => s.replace(/countOneBits\((note\$u\.[xy] & above)\)/g, "($1)") .replace("return f32($t[i]);", "return f32(i);")] }],
  ["without weights", { patch: ["_noweight", (s) => s.replaceAll("queries[o][$u]", "H(f32(o))").replaceAll("powers[t][$u]", "H(f32(t))")] }],
  ["without notes", { patch: ["_nonote", (s) => s.replaceAll("let note$u = notes[o][$u];", "let note$u = vec4u(o * 2654435761u + $uu, o * 2654435769u, o, o + 9u);")] }],
  ["keys alone", { patch: ["_keys", (s) => { const i = s.indexOf("early_v *= fades"); return s.slice(0, i) + s.slice(i).replace("n < OWN / AHEAD", "n < 0u"); }] }],
];
await checkBitmap([...VARIANTS.map(([, v]) => v)]);
stamp("checked bitmaps");

{ // what a dispatch costs
  const one = alloc(256);
  const fill = plan({ op: "fill", out: one, n: 1, value: 0 } as unknown as Op)[0]!;
  await warm([fill]);
  await show("20 dispatches of nothing, one after the other", Array.from({ length: 20 }, () => fill), { each: false });
  const x = upload(normals(8)), z = alloc(1 << 26);
  const big = plan({ op: "fill", out: z, n: 1 << 24, value: 0 } as unknown as Op);
  await show("fill 64 MB", big, { bytes: 1 << 26 });
  free(z);
}

if (wanted("bitmap")) {
  const [kv, group, D] = [8, 4, 128];
  const k = halves(kv, short, D), v = halves(kv, short, D);
  const base = plan(dense(k, v, kv, group, D, short, short));
  await warm(base);
  const t = await show("dense f16", base, { bytes: 4 * kv * short * D });
  for (const deep of [2, 8]) await show(`dense f16 deep ${deep}`, reread(base, { constants: { DEEP: deep, QUADS: deep } }), { bytes: 4 * kv * short * D });
  for (const busy of [512, 2048]) await show(`dense f16 busy ${busy}`, reread(base, { busy }), { bytes: 4 * kv * short * D });
  free(k); free(v);
  for (const [name, drop] of [["70 %", 90], ["50 %", 64]] as const) {
    const op = decodeOp({ kv, group, D, rows: short, drop: [drop, drop] }, normals);
    const base = plan(op);
    const want = await results(op, variant(base, { source: "old" }));
    await show(`bitmap ${name} old`, variant(base, { source: "old" }));
    for (const [title, v] of VARIANTS) {
      const ds = variant(base, v);
      const off = far(await results(op, ds), want);
      const t1 = await show(`bitmap ${name} ${title}`, ds, { bytes: 0 });
      console.log(`    x${(t / t1).toFixed(2)} of dense, differs by ${off.toExponential(1)}`);
    }
    for (const [title, v] of PARTS) await show(`bitmap ${name} ${title}`, variant(base, v));
    free((op as any).k); free((op as any).v);
  }
  stamp("bitmaps");
  for (const form of [2, 3]) {
    const bits = form === 2 ? 8 : 4;
    const codes = [0, 1].map(() => { const x = new Uint32Array(kv * short * D * bits / 32); for (let i = 0; i < x.length; i++) x[i] = Math.imul(i, 2654435761) >>> 0; return upload(x); });
    const meta = new Float32Array(2 * kv * short * 2).fill(0.01);
    const base = plan(dense(codes[0]!, codes[1]!, kv, group, D, short, short, { form, meta: upload(meta), metaHead: 2 * short, vMetaAt: 2 * short * kv }));
    await show(`int${bits}`, base, { bytes: kv * short * D * bits / 4 });
    for (const deep of [2, 8]) await show(`int${bits} deep ${deep}`, reread(base, { constants: { DEEP: deep, QUADS: deep } }));
    await show(`int${bits} busy 2048`, reread(base, { busy: 2048 }));
    codes.forEach(free);
  }
  stamp("codes");
}

{
  const [kv, D, n, label] = [32, 128, long, 8];
  const many = n / 16;
  const codes = new Uint8Array(kv * n * label / 2);
  for (let i = 0; i < codes.length; i++) codes[i] = Math.imul(i, 2654435761) >>> 13;
  const meta = new Float32Array(kv * n * 2);
  for (let i = 0; i < meta.length; i += 2) { meta[i] = 0.1 + 0.1 * ((i * 7919) % 997) / 997; meta[i + 1] = -1 - ((i * 104729) % 991) / 991; }
  const scores = alloc(4 * kv * n);
  const op = {
    op: "scoreRows", q: upload(normals(kv * label)), k: upload(codes), meta: upload(meta), out: scores, heads: kv, kvHeads: kv, headDim: label, form: 3, group: label,
    rows: n, kHead: n * label, kMetaAt: 0, metaHead: 2 * n, outHead: n, scale: 1,
  } as any;
  const old = oldScore(op, context, bytesOf);
  run(old);
  const want = new Float32Array(await read(scores, 4 * n));
  if (wanted("score")) {
    await warm(old);
    await show("scoreRows old", old, { bytes: kv * n * 16 });
    const now = plan(op)[0]!;
    for (const threads of [128, 256]) for (const each of [2, 4, 8, 16]) {
      const chunks = Math.ceil(n / (threads * each));
      const ds = [{ ...now, constants: { ...now.constants, THREADS: threads, EACH: each }, params: { ...now.params, chunks }, groups: kv * chunks }];
      run(ds);
      const off = far(new Float32Array(await read(scores, 4 * n)), want);
      await show(`scoreRows ${threads} threads of ${each} rows`, ds, { bytes: kv * n * 16 });
      if (off > 1e-4) console.log("    DIFFERS by", off);
    }
    stamp("scoreRows");
  }
  const values = alloc(4 * kv * many), indices = alloc(4 * kv * many);
  const topk = (sorted: number) => ({ op: "topk", x: scores, values, indices, rows: kv, cols: n, k: many, sorted } as unknown as Op);
  const sorted = plan(topk(1));
  run(sorted);
  const inOrder = new Int32Array(await read(indices));
  const setOf = (list: Int32Array) => Int32Array.from(list).sort().join();
  const first = setOf(inOrder.slice(0, many));
  if (wanted("topk")) {
    await warm(sorted);
    await show("topk sorted", sorted);
    const now = plan(topk(0));
    for (const per of [4, 8, 16, 32]) for (const threads of [256, 512, 1024]) {
      if (threads > caps.invocations) continue;
      const chunks = Math.ceil(n / (per * threads));
      const ds = now.map((d) => d.kernel.name !== "select" ? d : {
        ...d, params: { ...d.params, chunks },
        ...(d.constants["PER"] && { constants: { ...d.constants, PER: per, THREADS: threads, EACH: 2048 / threads }, groups: kv * chunks }),
      });
      run(ds);
      const list = new Int32Array(await read(indices));
      await show(`topk unsorted ${threads} threads of ${per}`, ds);
      if (setOf(list.slice(0, many)) !== first) console.log("    DIFFERS");
    }
    for (const threads of [256, 512]) {
      await show(`topk unsorted, rest by ${threads} threads`, now.map((d) => d.kernel.name !== "select" || d.constants["PER"] ? d : { ...d, constants: { ...d.constants, THREADS: threads } }));
    }
    stamp("topk");
  }
  if (wanted("list")) {
    const k = halves(kv, n, D), v = halves(kv, n, D);
    const all = plan(dense(k, v, kv, 1, D, n, n));
    await warm(all);
    await show("dense f16 of all", all, { bytes: 4 * kv * n * D });
    await show("dense f16 of all, busy 2048", reread(all, { busy: 2048 }), { bytes: 4 * kv * n * D });
    const bytes = 4 * kv * many * D;
    await show("dense f16 of as many rows", plan(dense(k, v, kv, 1, D, many, n)), { bytes });
    run(plan(topk(0)));
    const found = new Int32Array(await read(indices));
    const ordered = Int32Array.from(found);
    for (let h = 0; h < kv; h++) ordered.subarray(h * many, (h + 1) * many).sort();
    const base = (list: Int32Array) => plan(dense(k, v, kv, 1, D, n, n, { list: upload(list), lists: kv, listCap: many }));
    await show("lists 0, 1, 2 ...", base(Int32Array.from(ordered, (_, i) => i % many)), { bytes });
    await show("lists ascending", base(ordered), { bytes });
    await show("lists by score", base(inOrder), { bytes });
    const real = base(found);
    await show("lists as selected", real, { bytes });
    const one = (s: string) => s.replaceAll("p.step", "1u");
    const more = (s: string) => one(s).replace("AT_ONCE: u32 = 8u", "AT_ONCE: u32 = 32u").replaceAll("//#for u in 0..8", "//#for u in 0..32");
    const never = (s: string) => one(s).replace("if (p.listed == 1u) { end = min(end, entries_of", "if (p.listed == 2u) { end = min(end, entries_of");
    for (const [name, options] of [
      ["no division", { patch: ["_1", one] }],
      ["no division, 32 at once", { patch: ["_32", more] }],
      ["no division, no end", { patch: ["_no", never] }],
      ["deep 4", { patch: ["_32", more], constants: { DEEP: 4, QUADS: 1 } }],
      ["deep 16", { patch: ["_32", more], constants: { DEEP: 16, QUADS: 4 } }],
      ["busy 512", { patch: ["_32", more], busy: 512 }],
      ["busy 2048", { patch: ["_32", more], busy: 2048 }],
      ["deep 4 busy 2048", { patch: ["_32", more], busy: 2048, constants: { DEEP: 4, QUADS: 1 } }],
      ["no end, busy 2048", { patch: ["_no", never], busy: 2048 }],
      ["no end, busy 4096", { patch: ["_no", never], busy: 4096 }],
    ] as [string, any][]) await show(`lists as selected, ${name}`, reread(real, options), { bytes });
    stamp("lists");
    const step = [...plan(op), ...plan(topk(0)), ...reread(real, { patch: ["_32", more] })];
    await show("double sparsity step", step, { each: false });
  }
}
stamp("end");
Deno.exit(0);
