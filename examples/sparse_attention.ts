/**
 * Plans the attention of 4096 tokens by FlexPrefill and shows what is computed, what it keeps and what it costs.
 *
 *     deno run examples/sparse_attention.ts        (or: bun examples/sparse_attention.ts)
 *
 * @module
 */
import { attention, flexPrefill, openDevice } from "../mod.ts";
import { structured } from "../sdk/compare/structured.ts";

const device = await openDevice();
const { heads, length, headDim, ...data } = structured({ length: 4096, heads: 6 });
const [q, k, v] = [data.q, data.k, data.v].map((x) => device.tensor(x, [heads, length, headDim]));

const planner = flexPrefill({ gamma: 0.9, minBudget: 256 });
const plan = planner.plan(device, q!, k!);
console.log(await plan.text({ head: 1 }));

const time = async (run: () => { out: { read(): Promise<unknown> } }): Promise<number> => {
  const begin = performance.now();
  await run().out.read();
  return performance.now() - begin;
};
const dense = await time(() => attention(device, q!, k!, v!, { causal: true }));
const sparse = await time(() => attention(device, q!, k!, v!, { plan }));
console.log(`computed: ${(100 * await plan.density()).toFixed(1)} % of the pairs, mean over heads`);
console.log(`kept:     ${(100 * await plan.recall(q!, k!)).toFixed(1)} % of the mass of dense attention`);
console.log(`time:     ${sparse.toFixed(0)} ms given the plan, dense ${dense.toFixed(0)} ms`);
device.dispose();
