/** Minimisation of a function of one number without derivatives (Brent 1973, chapter 5; SPEC 7.3 b). */

const GOLDEN_RATIO = 1.618034;
const GOLDEN_PART = 0.381966;
const GROWTH = 110;
const RELATIVE_TOLERANCE = 1.48e-8;
const ABSOLUTE_TOLERANCE = 1e-11;
const MAX_BRACKET_STEPS = 1000;
const MAX_STEPS = 500;

type Objective = (x: number) => number;

/** Three places and the function there; when all went well the middle one is lowest. */
interface Bracket {
  a: number;
  b: number;
  c: number;
  fb: number;
}

/**
 * Finds a local minimum near two starting places.
 *
 * @param f The function; may return Infinity.
 * @param start One place to start from.
 * @param other Another.
 * @returns The place of the minimum.
 */
export function minimize(f: Objective, start: number, other: number): number {
  return search(f, grow(f, start, other));
}

/** Walks downhill with growing steps until the function rises again. */
function grow(f: Objective, start: number, other: number): Bracket {
  let a = start;
  let b = other;
  let fa = f(a);
  let fb = f(b);
  if (fa < fb) [a, b, fa, fb] = [b, a, fb, fa];
  let c = b + GOLDEN_RATIO * (b - a);
  let fc = f(c);
  for (let step = 0; fc < fb && step < MAX_BRACKET_STEPS; step++) {
    const t1 = (b - a) * (fb - fc);
    const t2 = (b - c) * (fb - fa);
    const difference = t2 - t1;
    const v = Math.abs(difference) < 1e-21 ? 1e-21 : difference;
    let w = b - ((b - c) * t2 - (b - a) * t1) / (2 * v);
    const limit = b + GROWTH * (c - b);
    let fw: number;
    if ((w - c) * (b - w) > 0) {
      fw = f(w);
      if (fw < fc) return { a: b, b: w, c, fb: fw };
      if (fw > fb) return { a, b, c: w, fb };
      w = c + GOLDEN_RATIO * (c - b);
      fw = f(w);
    } else if ((w - limit) * (limit - c) >= 0) {
      w = limit;
      fw = f(w);
    } else if ((w - limit) * (c - w) > 0) {
      fw = f(w);
      if (fw < fc) {
        [b, c, fb, fc] = [c, w, fc, fw];
        w = c + GOLDEN_RATIO * (c - b);
        fw = f(w);
      }
    } else {
      w = c + GOLDEN_RATIO * (c - b);
      fw = f(w);
    }
    [a, b, c] = [b, c, w];
    [fa, fb, fc] = [fb, fc, fw];
  }
  return { a, b, c, fb };
}

/** Narrows a bracket by parabolas through the three best places, by golden sections where those do not help. */
function search(f: Objective, bracket: Bracket): number {
  let low = Math.min(bracket.a, bracket.c);
  let high = Math.max(bracket.a, bracket.c);
  let x = bracket.b;
  let fx = bracket.fb;
  // The second and third best places.
  let second = x;
  let third = x;
  let fSecond = fx;
  let fThird = fx;
  let move = 0;
  let moveBefore = 0;
  for (let step = 0; step < MAX_STEPS; step++) {
    const tolerance = RELATIVE_TOLERANCE * Math.abs(x) + ABSOLUTE_TOLERANCE;
    const middle = 0.5 * (low + high);
    if (Math.abs(x - middle) < 2 * tolerance - 0.5 * (high - low)) break;

    let golden = Math.abs(moveBefore) <= tolerance;
    if (!golden) {
      const r = (x - second) * (fx - fThird);
      let q = (x - third) * (fx - fSecond);
      let p = (x - third) * q - (x - second) * r;
      q = 2 * (q - r);
      if (q > 0) p = -p;
      q = Math.abs(q);
      const moveTwoBefore = moveBefore;
      moveBefore = move;
      golden = !(p > q * (low - x) && p < q * (high - x) && Math.abs(p) < Math.abs(0.5 * q * moveTwoBefore));
      if (!golden) {
        move = p / q;
        const u = x + move;
        if (u - low < 2 * tolerance || high - u < 2 * tolerance) move = middle >= x ? tolerance : -tolerance;
      }
    }
    if (golden) {
      moveBefore = x >= middle ? low - x : high - x;
      move = GOLDEN_PART * moveBefore;
    }

    const u = Math.abs(move) >= tolerance ? x + move : x + (move >= 0 ? tolerance : -tolerance);
    const fu = f(u);
    if (fu > fx) {
      if (u < x) low = u;
      else high = u;
      if (fu <= fSecond || second === x) {
        [third, fThird] = [second, fSecond];
        [second, fSecond] = [u, fu];
      } else if (fu <= fThird || third === x || third === second) {
        [third, fThird] = [u, fu];
      }
    } else {
      if (u >= x) low = x;
      else high = x;
      [third, fThird] = [second, fSecond];
      [second, fSecond] = [x, fx];
      [x, fx] = [u, fu];
    }
  }
  return x;
}
