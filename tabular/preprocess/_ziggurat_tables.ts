/** The layers of a ziggurat under f(x) = exp(-x^2 / 2), computed (SPEC 7.6; Marsaglia and Tsang 2000). */
export interface ZigguratTables {
  /** Where the tail begins. */
  edge: number;
  /** Per layer, the mantissas below which a draw is certainly inside. */
  counts: Float64Array;
  /** Per layer, the step of the mantissa. */
  widths: Float64Array;
  /** Per layer, f at its edge. */
  heights: Float64Array;
}

const LAYERS = 256;
const EDGE = 3.6541528853610088;
const MANTISSAS = 2 ** 52;

let tables: ZigguratTables | undefined;

/** Computes the tables once. */
export function zigguratTables(): ZigguratTables {
  return tables ??= compute();
}

function compute(): ZigguratTables {
  const f = (x: number): number => Math.exp(-0.5 * x * x);
  const area = EDGE * f(EDGE) + normalTail(EDGE);
  const edges = new Float64Array(LAYERS);
  edges[LAYERS - 1] = EDGE;
  for (let i = LAYERS - 2; i >= 1; i--) {
    const outer = edges[i + 1]!;
    edges[i] = Math.sqrt(-2 * Math.log(area / outer + f(outer)));
  }
  const base = area / f(EDGE);
  const counts = new Float64Array(LAYERS);
  counts[0] = Math.floor((EDGE / base) * MANTISSAS);
  for (let i = 1; i < LAYERS - 1; i++) counts[i + 1] = Math.floor((edges[i]! / edges[i + 1]!) * MANTISSAS);
  const widths = edges.map((edge) => edge / MANTISSAS);
  widths[0] = base / MANTISSAS;
  const heights = edges.map(f);
  heights[0] = 1;
  return { edge: EDGE, counts, widths, heights };
}

/** The integral of exp(-t^2 / 2) from x to infinity by Laplace's continued fraction, for x of 3 or more. */
function normalTail(x: number): number {
  let fraction = x;
  for (let k = 200; k >= 1; k--) fraction = x + k / fraction;
  return Math.exp(-0.5 * x * x) / fraction;
}
