import * as v from "valibot";
import { ApiError } from "../api_error.ts";
import { checkShape } from "../check_shape.ts";
import type { ContextMeta } from "../contexts/context_meta.ts";
import type { NewRows } from "../contexts/contexts.ts";
import type { Limits } from "../limits.ts";
import { mostProbable, type Probabilities } from "../predictions.ts";
import { type Cell, checkRows, type Column, type Label, pickFeatures, quote } from "../tables.ts";

/** A tensor of KServe's protocol, with its values in the JSON. */
export interface Tensor {
  /** The name of a column, or "label", "probabilities", "classes". */
  name: string;
  /** The type of its values. */
  datatype: string;
  /** Its size; -1 where it may be any. */
  shape: number[];
  /** Its values, the last axis first. */
  data?: Cell[];
}

/** What a request asks for. */
export interface InferRequest extends NewRows {
  /** Comes back with the answer. */
  readonly id: string | undefined;
  /** The names of the tensors that are wanted. Default: all. */
  readonly outputs: readonly string[] | undefined;
}

/** They are not looked at. */
const Parameters = v.optional(v.unknown());
const Size = v.pipe(
  v.number("expected a whole number"),
  v.safeInteger("expected a whole number"),
  v.minValue(0),
);
const InferBody = v.strictObject({
  id: v.optional(v.string("expected a text")),
  parameters: Parameters,
  inputs: v.pipe(
    v.array(
      v.strictObject({
        name: v.string("expected the name of a column"),
        shape: v.pipe(v.array(Size), v.minLength(1, "expected [rows] or [rows, 1]"), v.maxLength(2)),
        datatype: v.string("expected a type such as FP64 or BYTES"),
        parameters: Parameters,
        data: v.array(v.unknown(), "expected a list of values; binary data is not supported"),
      }, "expected name, shape, datatype and data"),
      "expected a list of tensors",
    ),
    v.minLength(1, "expected a tensor for each column"),
  ),
  outputs: v.optional(v.array(v.strictObject({ name: v.string(), parameters: Parameters }))),
}, "expected an object with inputs");

const OUTPUTS = ["label", "probabilities", "classes"];

/**
 * Reads a request of KServe's protocol: each tensor is a column, of shape `[rows]` or `[rows, 1]`; `null` among its
 * values is a missing one. Columns without a tensor are missing in every row.
 *
 * @param body The body, parsed.
 * @param meta The context that predicts.
 * @param limits How many rows there may be.
 * @returns The rows.
 * @throws {ApiError} 400 if the body or a tensor has another shape, 413 if there are too many rows, 422 if a column was not learned.
 */
export function readInfer(body: unknown, meta: ContextMeta, limits: Limits): InferRequest {
  const { id, inputs, outputs } = checkShape(InferBody, body);
  const count = inputs[0]!.shape[0]!;
  if (count === 0) throw invalid("Expected at least one row", "inputs[0].shape");
  checkRows("inputs", count, limits.rows);
  const columns = new Map<string, Cell[]>();
  inputs.forEach(({ name, shape, datatype, data }, i) => {
    if (shape[0] !== count || (shape[1] ?? 1) !== 1) {
      throw invalid(
        `Expected the shape [${count}] or [${count}, 1], as all columns have as many rows`,
        `inputs[${i}].shape`,
      );
    }
    if (columns.has(name)) {
      throw invalid(`There are two tensors for the column ${quote(name)}`, `inputs[${i}].name`);
    }
    const type = typeOf(datatype);
    if (!type) throw invalid(`The type ${quote(datatype)} is not supported`, `inputs[${i}].datatype`);
    const flat = data.map((value) => Array.isArray(value) && value.length === 1 ? value[0] : value);
    if (flat.length !== count) {
      throw invalid(`Expected ${count} values, got ${flat.length}`, `inputs[${i}].data`);
    }
    if (!flat.every((value): value is Cell => value === null || typeof value === type)) {
      throw invalid(`Expected every value to be a ${type} or null, as ${datatype} says`, `inputs[${i}].data`);
    }
    columns.set(name, flat);
  });
  const unknown = outputs?.findIndex(({ name }) => !OUTPUTS.includes(name)) ?? -1;
  if (unknown >= 0) throw invalid(`There are the outputs ${OUTPUTS.join(", ")}`, `outputs[${unknown}].name`);
  const names = meta.columns?.map(({ name }) => name) ?? [...columns.keys()];
  return {
    id,
    outputs: outputs?.map(({ name }) => name),
    rows: pickFeatures(columns, count, names, meta.target),
    count,
  };
}

/**
 * Says which tensors a context takes.
 *
 * @param columns Its features; `null` if they are not known.
 * @returns One for each column.
 */
export function inputTensors(columns: readonly Column[] | null): Tensor[] {
  const datatypes = { number: "FP64", boolean: "BOOL", text: "BYTES" };
  return (columns ?? []).map(({ name, type }) => ({ name, datatype: datatypes[type], shape: [-1] }));
}

/**
 * Makes the tensors of an answer: "label", the most probable class of each row; "probabilities", a row of them for each
 * row; and "classes", what the columns of "probabilities" stand for.
 *
 * @param classes The classes.
 * @param found The predictions. Default: the tensors are described only.
 * @returns The tensors.
 */
export function outputTensors(classes: readonly Label[], found?: Probabilities): Tensor[] {
  const kinds = new Set(classes.map((label) => typeof label));
  const datatype = kinds.size > 1 || kinds.has("string") ? "BYTES" : kinds.has("boolean") ? "BOOL" : "FP64";
  const named = datatype === "BYTES" ? classes.map(String) : [...classes];
  const rows = found?.rows.length ?? -1;
  const tensors: Tensor[] = [
    { name: "label", datatype, shape: [rows] },
    { name: "probabilities", datatype: "FP64", shape: [rows, classes.length] },
    { name: "classes", datatype, shape: [classes.length] },
  ];
  if (!found) return tensors;
  const data: Cell[][] = [found.rows.map((row) => named[mostProbable(row)]!), found.rows.flat(), named];
  return tensors.map((tensor, i) => ({ ...tensor, data: data[i]! }));
}

function typeOf(datatype: string): "number" | "boolean" | "string" | undefined {
  if (/^(?:U?INT(?:8|16|32|64)|FP(?:16|32|64)|BF16)$/.test(datatype)) return "number";
  return datatype === "BOOL" ? "boolean" : datatype === "BYTES" ? "string" : undefined;
}

function invalid(message: string, param: string): ApiError {
  return new ApiError(400, "invalid_tensor", message, { param });
}
