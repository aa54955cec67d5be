/**
 * The order of strings by code point, which Python uses; JavaScript's `<` differs above U+FFFF.
 *
 * @module
 */

/**
 * Compares two strings by code point, for `Array.prototype.sort`.
 *
 * @param a A string.
 * @param b Another.
 * @returns A negative number when `a` comes first, 0 when they are equal, else a positive number.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Puts surrogates (parts of code points above U+FFFF) behind all other units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
