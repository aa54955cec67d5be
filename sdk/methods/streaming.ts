/**
 * Sink tokens and a sliding window, the same for all heads (StreamingLLM).
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";
import { blockTiles, touchesBand } from "./block_lists.ts";
import { fixedSelection } from "./fixed_selection.ts";
import { type Method, method, type Planner, planner } from "./planner.ts";
import { table } from "./scores.ts";
import type { Selector } from "./selector.ts";

/** Options of {@linkcode streaming}. */
export interface StreamingOptions {
  /** First tokens that every query sees. The paper has 4; LServe and DuoAttention have the default. @default 128 */
  readonly sink: number;
  /** Last tokens that a query sees, itself included. @default 4096 */
  readonly window: number;
  /** Tokens per block of the lists; does not change what is visible. @default 64 */
  readonly blockSize: number;
}

/**
 * Sink tokens and a sliding window, exact to the token: key j is visible to position p if j <= p and (j < sink or p - j < window).
 *
 * Dense where nothing is hidden, which is up to sink + window keys. Decoding reads the same tokens. The cost of a query does not grow with the context, and what lies between
 * sink and window is lost to it.
 *
 * @example
 * ```ts
 * import { openDevice } from "../device/mod.ts";
 * import { streaming } from "./streaming.ts";
 *
 * const device = await openDevice();
 * const q = device.tensor(new Float32Array(300 * 8), [1, 300, 8]);
 * using plan = streaming({ sink: 4, window: 60 }).plan(device, q, q);
 * console.log(await plan.density()); // 0.38...
 * device.dispose();
 * ```
 * @throws RangeError if an option is out of range.
 */
export const streaming: Method<StreamingOptions, Planner & Selector> = method({
  defaults: { sink: 128, window: 4096, blockSize: 64 },
  citation: {
    title: "Efficient Streaming Language Models with Attention Sinks",
    url: "https://arxiv.org/abs/2309.17453",
  },
  planner: (options: StreamingOptions) => {
    checkWhole("streaming", options, { sink: 0, window: 1, blockSize: 1 });
    const { sink, window, blockSize } = options;
    const prefill = planner("streaming", (d, _q, _k, { lq, lk }) => {
      if (lk <= sink + window) return "dense";
      const grid = { lq, lk, blockQ: blockSize, tileK: blockSize };
      const tiles = blockTiles(d, grid, [0], (_, j, first) => touchesBand(options, blockSize, j, first));
      const band = table(d, [1, 2], (i) => i === 0 ? sink : window);
      return { ...grid, parts: { tiles, band } };
    });
    return {
      ...prefill,
      start: (device, { heads }) =>
        fixedSelection(device, {
          key: (length) => length > sink + window ? 0 : undefined,
          table: (d) => ({ band: table(d, [heads, 2], (i) => i % 2 === 0 ? sink : window) }),
        }),
    };
  },
});
