import type { Context } from "hono";
import { ApiError } from "../api_error.ts";
import { type Batch, createBatch } from "../batch.ts";
import type { Limits } from "../limits.ts";
import type { Probabilities } from "../predictions.ts";
import type { Served } from "../served.ts";
import type { ForkedClassifier, ServedClassifier } from "../served_classifier.ts";
import type { Service } from "../service.ts";
import { memoryStore } from "../stores/memory.ts";
import type { ContextStore } from "../stores/store.ts";
import type { Column, Columns, TrainTable } from "../tables.ts";
import { type ContextMeta, isContextId, isContextMeta, META_FORMAT, newContextId } from "./context_meta.ts";
import { createHeldContexts } from "./held_contexts.ts";

/** A context and its id. */
export interface KnownContext {
  /** The id. */
  readonly id: string;
  /** What is known of it. */
  readonly meta: ContextMeta;
}

/** Rows to predict. */
export interface NewRows {
  /** The features. */
  readonly rows: Columns;
  /** The number of rows. */
  readonly count: number;
}

/** Milliseconds: waiting for other requests, computing. */
export interface Timings {
  /** Waiting for other requests. */
  readonly waitMs: number;
  /** Computing. */
  readonly ms: number;
}

/** Fitted contexts, as the routes use them. All refusals are `ApiError`s. */
export interface Contexts {
  /** The model. */
  readonly classifier: Served<ServedClassifier>;
  /** Learns a table and keeps it. */
  learn(service: Service, c: Context, table: TrainTable): Promise<KnownContext & Timings>;
  /** Keeps a fitted context that comes as a file. */
  take(service: Service, c: Context, bytes: Uint8Array<ArrayBuffer>): Promise<KnownContext>;
  /** Finds a context of the caller; 404 if there is none, or if it is another's. */
  find(service: Service, c: Context, id: string): Promise<KnownContext>;
  /** Reads the file of a context. */
  file(service: Service, known: KnownContext): Promise<Uint8Array<ArrayBuffer>>;
  /** Forgets a context. */
  remove(service: Service, known: KnownContext): Promise<void>;
  /** Predicts rows. Rows that wait for the same context are computed together. */
  predict(service: Service, c: Context, known: KnownContext, rows: NewRows): Promise<Probabilities & Timings>;
}

/** Rows of several requests that are computed at once. */
const BATCH_ROWS = 256;

/**
 * Puts fitted contexts together from a model and a store. What is held in memory is a copy of what the store has; every
 * use asks the store first, so that handlers may share one.
 *
 * @param classifier The model.
 * @param limits How much is held in memory.
 * @param store Where contexts are kept. Default: in memory.
 * @returns The contexts.
 */
export function createContexts(
  classifier: Served<ServedClassifier>,
  limits: Limits,
  store: ContextStore = memoryStore(),
): Contexts {
  const held = createHeldContexts(limits);
  const batches = new Map<string, { batch: Batch<NewRows, number[][]>; users: number }>();

  const keep = async (
    service: Service,
    c: Context,
    made: { classifier: ForkedClassifier; bytes: Uint8Array<ArrayBuffer>; table?: TrainTable },
  ): Promise<KnownContext> => {
    const id = newContextId();
    const meta: ContextMeta = {
      format: META_FORMAT,
      owner: service.caller(c),
      created: new Date().toISOString(),
      model: service.model,
      target: made.table?.target ?? null,
      classes: [...made.classifier.classes],
      columns: made.table?.columns ?? made.classifier.columns ?? null,
      rows: made.table?.labels.length ?? null,
      bytes: made.bytes.length,
    };
    try {
      await stored(service, () => store.put(id, { meta, bytes: made.bytes }));
    } catch (error) {
      made.classifier.dispose();
      throw error;
    }
    held.add(id, { classifier: made.classifier, size: made.bytes.length });
    return { id, meta };
  };

  const restore = async (service: Service, id: string, signal: AbortSignal) => {
    const context = await stored(service, () => store.get(id));
    if (!context) throw unknownContext();
    try {
      const restored = await restorer(classifier.get())(context.bytes, { signal });
      return { classifier: restored, size: context.bytes.length };
    } catch (cause) {
      if (isWeightsError(cause)) throw incompatible(cause);
      throw cause;
    }
  };

  const batchOf = (service: Service, known: KnownContext): Batch<NewRows, number[][]> =>
    createBatch(async (inputs, signal) => {
      const rows = inputs.length === 1 ? inputs[0]!.rows : joined(inputs, known.meta.columns!);
      const all = await held.use(
        known.id,
        () => restore(service, known.id, signal),
        (context) => context.predictProba(rows, { signal }),
      );
      let start = 0;
      return inputs.map(({ count }) => all.slice(start, start += count));
      // Columns that are not known may differ from request to request.
    }, known.meta.columns ? BATCH_ROWS : 0);

  return {
    classifier,

    async learn(service, c, table) {
      restorer(classifier.get());
      const made = await service.compute(c, async (signal, waitMs) => {
        const begin = performance.now();
        const fork = classifier.get().fork();
        try {
          await fork.fit(table.features, table.labels, { signal });
          const bytes = await fork.save!() as Uint8Array<ArrayBuffer>;
          return { classifier: fork, bytes, waitMs, ms: performance.now() - begin };
        } catch (error) {
          fork.dispose();
          throw error;
        }
      }, "invalid_table");
      const { waitMs, ms } = made;
      return { ...await keep(service, c, { ...made, table }), waitMs, ms };
    },

    async take(service, c, bytes) {
      const restored = await service.compute(c, async (signal) => {
        try {
          return await restorer(classifier.get())(bytes, { signal });
        } catch (cause) {
          if (!isWeightsError(cause)) throw cause;
          throw new ApiError(422, "invalid_context", cause.message, { cause });
        }
      }, "invalid_context");
      return await keep(service, c, { classifier: restored, bytes });
    },

    async find(service, c, id) {
      const meta = isContextId(id) ? await stored(service, () => store.describe(id)) : undefined;
      if (meta === undefined) throw unknownContext();
      if (!isContextMeta(meta)) throw incompatible();
      if (meta.owner !== service.caller(c)) throw unknownContext();
      return { id, meta };
    },

    async file(service, { id }) {
      const context = await stored(service, () => store.get(id));
      if (!context) throw unknownContext();
      return context.bytes;
    },

    async remove(service, { id }) {
      const was = await stored(service, () => store.delete(id));
      held.drop(id);
      if (!was) throw unknownContext();
    },

    async predict(service, c, known, rows) {
      let shared = batches.get(known.id);
      if (!shared) batches.set(known.id, shared = { batch: batchOf(service, known), users: 0 });
      shared.users++;
      const item = shared.batch.add(rows, rows.count);
      try {
        return await service.compute(c, async (signal, waitMs) => {
          const begin = performance.now();
          const answers = await item.answer(signal);
          return { classes: known.meta.classes, rows: answers, waitMs, ms: performance.now() - begin };
        }, "invalid_table");
      } finally {
        item.leave();
        if (--shared.users === 0) batches.delete(known.id);
      }
    },
  };
}

/** Asks the store, and says what went wrong with it as an answer. */
async function stored<T>(service: Service, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : "";
    if (name !== "StoreFullError" && name !== "StoreReadOnlyError") throw cause;
    service.onError(cause);
    throw name === "StoreFullError"
      ? new ApiError(507, "store_full", "There is no room for more contexts; delete some", { cause })
      : new ApiError(500, "store_read_only", "The server may not change its contexts", { cause });
  }
}

function restorer(classifier: ServedClassifier): NonNullable<ServedClassifier["restore"]> {
  if (classifier.restore) return classifier.restore.bind(classifier);
  throw new ApiError(501, "not_implemented", "The model of this server cannot keep what it learned");
}

/** The rows of several requests in one table; all have the same columns. */
function joined(inputs: readonly NewRows[], columns: readonly Column[]): Columns {
  return Object.fromEntries(columns.map(({ name }) => [name, inputs.flatMap(({ rows }) => rows[name]!)]));
}

function isWeightsError(error: unknown): error is Error {
  return error instanceof Error && error.name === "WeightsError";
}

function unknownContext(): ApiError {
  return new ApiError(404, "unknown_context", "There is no context of this id");
}

function incompatible(cause?: unknown): ApiError {
  return new ApiError(
    409,
    "context_incompatible",
    "The context was made by another version or for another model; learn its table again",
    { cause },
  );
}
