import * as v from "valibot";
import { ApiError } from "./api_error.ts";
import { quote, type Row } from "./tables.ts";

/** A list of at least one row, each an object with a value for each column. */
export const Rows: v.GenericSchema<Row[]> = v.pipe(
  v.array(
    v.custom<Row>(
      (value) => typeof value === "object" && value !== null && !Array.isArray(value),
      "expected an object with a value for each column",
    ),
    "expected a list of rows",
  ),
  v.minLength(1, "expected at least one row"),
);

/** The name of the column to predict. */
export const Target: v.GenericSchema<string> = v.string("expected the name of a column");

/**
 * Checks the shape of a body.
 *
 * @param schema What it must be.
 * @param body The body, parsed.
 * @returns The body.
 * @throws {ApiError} 400 with the path of the first value that is wrong.
 */
export function checkShape<T>(schema: v.GenericSchema<T>, body: unknown): T {
  const result = v.safeParse(schema, body, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const param = pathOf(issue);
  throw new ApiError(
    400,
    "invalid_body",
    param ? `${quote(param)}: ${issue.message}` : `The body: ${issue.message}`,
    { ...(param && { param }) },
  );
}

/**
 * Says where in a body an issue is.
 *
 * @param issue The issue.
 * @returns Its path such as `rows[1].a`, shortened; "" for the body itself.
 */
export function pathOf({ path }: Pick<v.BaseIssue<unknown>, "path">): string {
  const steps = path?.map(({ key }) => typeof key === "number" ? `[${key}]` : `.${String(key)}`) ?? [];
  return steps.join("").slice(1, 81);
}
