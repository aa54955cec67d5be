/**
 * Labels as callers have them, turned into class numbers.
 *
 * @module
 */
import { compareCodePoints } from "../preprocess/code_points.ts";

/** A class label. */
export type Label = string | number | boolean;

/** Labels of a table: one per row. */
export type Labels = readonly Label[] | ArrayLike<number>;

/**
 * Finds the classes and numbers the labels by them.
 *
 * @returns Distinct labels in order (false before true, numbers by size, then strings by code point), the class of every row and how often each occurs.
 * @throws TypeError for a missing label or one of another kind; RangeError for none at all or one that is not finite.
 */
export function encodeLabels(labels: Labels): { classes: Label[]; codes: Int32Array; counts: Int32Array } {
  const list = Array.from(labels as ArrayLike<Label>);
  if (list.length === 0) throw new RangeError("Cannot fit: there are no labels");
  list.forEach((label, i) => {
    const kind = label === null ? "null" : typeof label;
    if (kind !== "string" && kind !== "number" && kind !== "boolean") {
      throw new TypeError(
        `Cannot fit: label ${i} is ${kind}, expected a string, a number or a boolean; leave out rows without a label`,
      );
    }
    if (kind === "number" && !Number.isFinite(label)) {
      throw new RangeError(`Cannot fit: label ${i} is ${String(label)}, expected a finite number`);
    }
  });
  const classes = [...new Set(list)].sort(compareLabels);
  const code = new Map(classes.map((label, c) => [label, c]));
  const codes = Int32Array.from(list, (label) => code.get(label)!);
  const counts = new Int32Array(classes.length);
  for (const c of codes) counts[c]!++;
  return { classes, codes, counts };
}

const KINDS = ["boolean", "number", "string"];

function compareLabels(a: Label, b: Label): number {
  const kinds = KINDS.indexOf(typeof a) - KINDS.indexOf(typeof b);
  if (kinds !== 0) return kinds;
  return typeof a === "string" ? compareCodePoints(a, b as string) : Number(a) - Number(b);
}
