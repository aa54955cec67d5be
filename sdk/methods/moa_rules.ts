/**
 * The rules that a search chooses from, what each hides and what it costs.
 *
 * @module
 */
import { checkWhole } from "./_check_whole.ts";

/** A span alpha + beta * N. */
export interface MoaRule {
  /** Tokens; may be negative. */
  readonly alpha: number;
  /** Share of the length. */
  readonly beta: number;
}

/** Influence of the blocks of a model at one profiled length. */
export interface MoaImportance {
  /** Tokens. */
  readonly length: number;
  /** Layers of the model. */
  readonly layers: number;
  /** Heads of a layer that choose a rule of their own. */
  readonly heads: number;
  /** [layers, heads, n, n] with n = ceil(length / blockSize): sums of magnitudes, as {@linkcode profileInfluence} gives them. */
  readonly data: ArrayLike<number>;
}

/** Options of the rule space and of the bounds on what rules may cost. */
export interface MoaRuleOptions {
  /** Lengths that were not profiled but must keep to the density. @default [16384] */
  readonly extendLengths: readonly number[];
  /** Lengths at which plans are validated or will be used; rules must be fit for them. @default [] */
  readonly outputLengths: readonly number[];
  /** Grid of alpha, ascending. @default from -minimum to the longest profiled length in steps of about 1024 */
  readonly alphas?: readonly number[] | undefined;
  /** Grid of beta, ascending. @default 0, 1/8, ..., 1 */
  readonly betas?: readonly number[] | undefined;
  /** Most tokens that all heads hold together, as a share of what dense attention holds. @default 0.5 */
  readonly density: number;
  /** Least tokens, as a share of the most. @default 0.9 */
  readonly lowerRatio: number;
  /** Tokens per block. @default 64 */
  readonly blockSize: number;
}

/** Everything that a search decides by; bags are heads of all layers, layer * heads + head. */
export interface MoaTables {
  readonly layers: number;
  readonly heads: number;
  readonly rules: readonly MoaRule[];
  /** Profiled lengths, ascending. */
  readonly profileLengths: readonly number[];
  /** Profiled lengths and those beyond, ascending in each group: where costs are bounded. */
  readonly lengths: readonly number[];
  /** Of every profiled length [bags, rules]: importance that a rule hides. */
  readonly loss: readonly Float64Array[];
  /** Of every bounded length [rules]: tokens that a head holds. */
  readonly cost: readonly Float64Array[];
  /** Of every bounded length: most tokens that all heads hold together. */
  readonly upper: readonly number[];
  /** Of every bounded length: least tokens. */
  readonly lower: readonly number[];
}

/** Enumerates the rules that fit a set of lengths, by their span at the longest one. */
export function ruleSpace(
  profileLengths: readonly number[],
  options: Pick<MoaRuleOptions, "extendLengths" | "outputLengths" | "alphas" | "betas">,
): MoaRule[] {
  const all = [...profileLengths, ...options.extendLengths, ...options.outputLengths];
  const [shortest, longest, profiled] = [Math.min(...all), Math.max(...all), Math.max(...profileLengths)];
  const steps = Math.max(1, Math.floor((profiled + shortest) / 1024));
  const alphas = options.alphas ??
    Array.from({ length: steps + 1 }, (_, i) => -shortest + i * (profiled + shortest) / steps);
  const betas = options.betas ?? Array.from({ length: 9 }, (_, i) => i / 8);
  const span = ({ alpha, beta }: MoaRule, length: number): number => alpha + beta * length;
  return alphas.flatMap((alpha) => betas.map((beta) => ({ alpha, beta })))
    .filter((rule) =>
      span(rule, profiled) <= profiled && span(rule, longest) <= longest && span(rule, shortest) > 0
    )
    .sort((a, b) => span(a, longest) - span(b, longest));
}

/** Blocks of the window of a rule, the diagonal one included; the first block is visible besides. */
export function windowBlocks({ alpha, beta }: MoaRule, blocks: number, blockSize: number): number {
  return Math.max(Math.trunc(Math.floor(alpha / blockSize) + beta * blocks), 1);
}

/**
 * Importance that windows hide.
 *
 * @param importance [n, n] of one head.
 * @returns [n + 1]: what a window of so many blocks hides of the blocks on and below the diagonal.
 */
export function hiddenImportance(importance: ArrayLike<number>, blocks: number): Float64Array {
  const hidden = new Float64Array(blocks + 1);
  for (let distance = blocks - 1; distance >= 0; distance--) {
    let sum = hidden[distance + 1]!;
    for (let j = 1; j + distance < blocks; j++) sum += importance[(j + distance) * blocks + j]!;
    hidden[distance] = sum;
  }
  return hidden;
}

/**
 * Computes what every rule hides and costs.
 *
 * @throws RangeError if importances do not fit each other or no rule fits the lengths.
 */
export function moaTables(importance: readonly MoaImportance[], options: MoaRuleOptions): MoaTables {
  const { blockSize, density, lowerRatio } = options;
  checkWhole("searchPlan", { blockSize }, { blockSize: 1 });
  if (importance.length === 0) {
    throw new RangeError(`Cannot search a plan: "importance" is empty, expected that of at least one length`);
  }
  const profiles = [...importance].sort((a, b) => a.length - b.length);
  const [{ layers, heads } = { layers: 0, heads: 0 }] = profiles;
  const bags = layers * heads;
  for (const { length, data, ...sizes } of profiles) {
    const blocks = Math.ceil(length / blockSize);
    if (sizes.layers !== layers || sizes.heads !== heads || data.length !== bags * blocks * blocks) {
      throw new RangeError(
        `Cannot search a plan: the importance at length ${length} has ${data.length} numbers for ${sizes.layers} layers of ${sizes.heads} heads, expected ${
          bags * blocks * blocks
        } for ${layers} of ${heads}`,
      );
    }
  }
  const profileLengths = profiles.map(({ length }) => length);
  const extended = [...options.extendLengths].sort((a, b) => a - b);
  const lengths = [...profileLengths, ...extended];
  const rules = ruleSpace(profileLengths, options);
  if (rules.length === 0) {
    throw new RangeError(
      `Cannot search a plan: no rule fits the lengths ${
        lengths.join(", ")
      }, widen the grids of alpha and beta`,
    );
  }
  const loss = profiles.map(({ length, data }) => {
    const blocks = Math.ceil(length / blockSize);
    const windows = rules.map((rule) => Math.min(windowBlocks(rule, blocks, blockSize), blocks));
    const table = new Float64Array(bags * rules.length);
    for (let bag = 0; bag < bags; bag++) {
      const own = Array.prototype.slice.call(data, bag * blocks * blocks, (bag + 1) * blocks * blocks);
      // Read off by window, so that rules of the same layout lose exactly the same.
      const hidden = hiddenImportance(own, blocks);
      windows.forEach((window, r) => table[bag * rules.length + r] = hidden[window]!);
    }
    return table;
  });
  const cost = lengths.map((length) => {
    const blocks = Math.ceil(length / blockSize);
    const visible = (rule: MoaRule): number => Math.min(blocks, windowBlocks(rule, blocks, blockSize) + 1);
    return Float64Array.from(rules, (rule) => visible(rule) / blocks * length);
  });
  const upper = lengths.map((length) => density * length * bags);
  const lower = upper.map((most) => lowerRatio * most);
  return { layers, heads, rules, profileLengths, lengths, loss, cost, upper, lower };
}
