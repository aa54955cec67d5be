import type { Context } from "hono";
import type { Contexts, KnownContext } from "../contexts/contexts.ts";
import { isOfType, readCsvBody, targetOf } from "../content.ts";
import type { CsvBodies } from "../csv.ts";
import { readFitRequest, readRowsRequest } from "../predict_request.ts";
import { answer, checkAccept } from "../predictions.ts";
import type { Routes, Service } from "../service.ts";
import { checkRows, type Column, type ColumnType, type Label, pickFeatures, trainTable } from "../tables.ts";

const PATH = "/v1/tabular/contexts";

/** What an answer tells of a fitted context. */
export interface ContextResponse {
  /** Its id: who knows it, and has the token that made it, may use it. */
  id: string;
  /** The kind of thing. */
  object: "tabular.context";
  /** When it was made, in ISO 8601. */
  created: string;
  /** The name of the model. */
  model: string;
  /** The column that it predicts; `null` if it came as a file. */
  target: string | null;
  /** Its classes, in the order of the probabilities. */
  classes: readonly Label[];
  /** Its features; `null` if they are not known. */
  columns: readonly Column[] | null;
  /** The rows that it learned; `null` if they are not known. */
  rows: number | null;
  /** The bytes of its file. */
  bytes: number;
}

/**
 * Keeps fitted contexts: `/v1/tabular/contexts`.
 *
 * - `POST /v1/tabular/contexts` learns a table: `{ train, target }`, or CSV with `?target=`. A body of the type
 *   `application/octet-stream` is the file of a context that was learned elsewhere.
 * - `GET` and `DELETE /v1/tabular/contexts/{id}`.
 * - `GET /v1/tabular/contexts/{id}/file` gives the file.
 * - `POST /v1/tabular/contexts/{id}/predict` predicts `{ rows }`, or CSV.
 *
 * @param contexts The contexts.
 * @param csv Reads and writes CSV. Default: JSON alone.
 * @returns The routes.
 */
export function contextRoutes(contexts: Contexts, csv?: CsvBodies): Routes {
  return (app, service): void => {
    const { limits } = service;
    const find = (c: Context): Promise<KnownContext> => contexts.find(service, c, c.req.param("id") ?? "");

    app.post(PATH, async (c) => {
      if (isOfType(c, "application/octet-stream")) {
        const bytes = await service.readBytes(c, limits.uploadBytes);
        return created(c, await contexts.take(service, c, bytes), {});
      }
      const { waitMs, ms, ...known } = await contexts.learn(service, c, await readTrain(service, c, csv));
      return created(c, known, { timings: { waitMs, fitMs: ms } });
    });
    app.get(`${PATH}/:id`, async (c) => c.json(describe(await find(c))));
    app.delete(`${PATH}/:id`, async (c) => {
      const known = await find(c);
      await contexts.remove(service, known);
      return c.json({ id: known.id, object: "tabular.context", deleted: true });
    });
    app.get(`${PATH}/:id/file`, async (c) => {
      const known = await find(c);
      return c.body(await contexts.file(service, known), 200, {
        "content-type": "application/octet-stream",
        "content-disposition": `attachment; filename="${known.id}.safetensors"`,
      });
    });
    app.post(`${PATH}/:id/predict`, async (c) => {
      checkAccept(c, csv);
      const known = await find(c);
      const { waitMs, ms, ...found } = await contexts.predict(
        service,
        c,
        known,
        await readNew(service, c, known, csv),
      );
      const { model, target } = known.meta;
      return answer(c, found, { target, csv, more: { model, timings: { waitMs, predictMs: ms } } });
    });
  };
}

async function readTrain(service: Service, c: Context, csv: CsvBodies | undefined) {
  const { limits } = service;
  if (!csv || !isOfType(c, "text/csv")) return readFitRequest(await service.readJson(c), limits);
  const target = targetOf(c);
  const { columns, rows } = await readCsvBody(service, c, csv, {
    maxColumns: limits.columns + 1,
    maxRows: limits.trainRows,
  });
  checkRows("train", rows, limits.trainRows);
  return trainTable(columns, target, limits);
}

async function readNew(service: Service, c: Context, { meta }: KnownContext, csv: CsvBodies | undefined) {
  const { limits } = service;
  const { columns, target } = meta;
  const names = columns?.map(({ name }) => name) ?? null;
  if (!csv || !isOfType(c, "text/csv")) {
    return readRowsRequest(await service.readJson(c), names, target, limits);
  }
  const types: Record<string, ColumnType> = Object.fromEntries(
    (columns ?? []).map(({ name, type }) => [name, type]),
  );
  const read = await readCsvBody(service, c, csv, {
    types,
    maxColumns: limits.columns + 1,
    maxRows: limits.rows,
  });
  return {
    rows: pickFeatures(read.columns, read.rows, names ?? [...read.columns.keys()], target),
    count: read.rows,
  };
}

function created(c: Context, known: KnownContext, more: Record<string, unknown>): Response {
  return c.json({ ...describe(known), ...more }, 201, { location: `${PATH}/${known.id}` });
}

function describe({ id, meta }: KnownContext): ContextResponse {
  const { format: _format, owner: _owner, ...shown } = meta;
  return { id, object: "tabular.context", ...shown };
}
