import type { Context } from "hono";
import { ApiError } from "./api_error.ts";
import type { CsvBodies, CsvReading } from "./csv.ts";
import type { Service } from "./service.ts";
import type { Cell } from "./tables.ts";

/**
 * Says whether the body of a request is of a type.
 *
 * @param c The request.
 * @param type The type without parameters, in lower case.
 * @returns Whether it says so.
 */
export function isOfType(c: Context, type: string): boolean {
  return (c.req.header("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase() === type;
}

/**
 * Says whether a client wants CSV rather than JSON.
 *
 * @param accept The header `Accept`.
 * @returns True if it names `text/csv`, and not JSON before it.
 */
export function wantsCsv(accept: string | undefined): boolean {
  const quality = (type: string): number => {
    const range = (accept ?? "").split(",").map((part) => part.trim().toLowerCase().split(/\s*;\s*/))
      .find(([name]) => name === type);
    if (!range) return 0;
    const q = Number(range.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
    return q >= 0 ? q : 1;
  };
  return quality("text/csv") > quality("application/json");
}

/**
 * Reads the body as CSV.
 *
 * @param service Reads bodies.
 * @param c The request.
 * @param csv The reader.
 * @param options How it is read.
 * @returns The columns, and the number of rows.
 * @throws {ApiError} 400 if it does not parse, 413 if it is too large, 415 if it is compressed or in an encoding other than UTF-8.
 */
export async function readCsvBody(
  service: Service,
  c: Context,
  csv: CsvBodies,
  options: CsvReading,
): Promise<{ columns: Map<string, Cell[]>; rows: number }> {
  const charset = /;\s*charset="?([^\s";]*)/i.exec(c.req.header("content-type") ?? "")?.[1] ?? "utf-8";
  const encoding = c.req.header("content-encoding") ?? "identity";
  if (!/^utf-?8$/i.test(charset) || encoding.toLowerCase() !== "identity") {
    throw new ApiError(415, "unsupported_media_type", "Send CSV as UTF-8 without compression");
  }
  const bytes = await service.readBytes(c);
  try {
    const table = csv.read(bytes, options);
    if (table.rows.length === 0) {
      throw new SyntaxError("Cannot read CSV: expected at least one row after the header");
    }
    return {
      columns: new Map(table.columns.map((name, i) => [name, table.rows.map((row) => row[i] as Cell)])),
      rows: table.rows.length,
    };
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new ApiError(400, "invalid_csv", cause.message, { cause });
    if (cause instanceof RangeError) throw new ApiError(413, "table_too_large", cause.message, { cause });
    throw cause;
  }
}

/**
 * Reads the name of the column to predict from the query, for bodies that have no place for it.
 *
 * @param c The request.
 * @returns The name.
 * @throws {ApiError} 400 if it is missing.
 */
export function targetOf(c: Context): string {
  const target = c.req.query("target");
  if (target) return target;
  throw new ApiError(400, "missing_target", 'Name the column to predict in the address: "?target=NAME"', {
    param: "target",
  });
}
