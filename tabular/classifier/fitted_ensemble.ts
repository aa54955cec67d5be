/**
 * The fitted context of an ensemble (`filigree` mode): everything that depends on train rows, computed once.
 *
 * @module
 */
import { cast, concat, type Device, gather, reshape, type Tensor, transpose } from "../../sdk/device/mod.ts";
import { type ColumnContext, embedColumns } from "../model/column_embedder.ts";
import { firstColumns, orderCells, softmaxRows } from "../model/forward.ts";
import { type ClassNode, classTree, combine, nodesOf, outputsOf } from "../model/hierarchy.ts";
import { fitLabels, type LabelContext, predictLabels } from "../model/icl_predictor.ts";
import type { ContextForm, RowSelection } from "../model/label_cache.ts";
import { type OrionMSP, parametersOf } from "../model/orion_msp.ts";
import { drawMasks, encodeRows, uploadMasks } from "../model/row_interactor.ts";
import type { MemberOutput } from "../preprocess/average.ts";
import type { Member } from "../preprocess/ensemble.ts";
import type { Matrix } from "../preprocess/matrix.ts";
import { torchRandom } from "../preprocess/torch_random.ts";

/** What a long computation tells of itself. */
export interface Progress {
  /** What is being done, for example `"columns"`. */
  readonly stage: string;
  /** Steps that are done. */
  readonly done: number;
  /** All steps. */
  readonly total: number;
}

/** How a long computation is watched and stopped. */
export interface RunOptions {
  /** Stops the computation; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Hears of every step. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of {@linkcode fitEnsemble}. */
export interface FitOptions extends RunOptions {
  /** How the context is kept. */
  readonly form: ContextForm;
}

/** One pass of the tree of a member, or the only pass of all members together. */
export interface FittedPass {
  /** Members that the pass answers for. */
  readonly members: readonly number[];
  /** Its node of the tree of classes; absent where one pass tells all classes apart. */
  readonly node?: ClassNode;
  readonly context: LabelContext;
}

/** Everything that depends on train rows. */
export interface FittedEnsemble {
  readonly members: readonly Member[];
  readonly classes: number;
  /** Per normalisation method, for every column block. */
  readonly columns: readonly ColumnContext[];
  readonly passes: readonly FittedPass[];
  /** The trees of classes, one per member, where there are any. */
  readonly trees: readonly ClassNode[];
  /** The row masks of the config's own seed: the same for every call. */
  readonly masks: ReadonlyMap<number, Tensor>;
  /** How new rows choose train rows, if they do. */
  readonly select?: RowSelection | undefined;
}

/** Elements of the widest tensor of a chunk of rows. */
const CHUNK = 1 << 23;

/**
 * Fits an ensemble.
 *
 * @param d Receives the context's tensors.
 * @param tables The normalised train table, one per method.
 * @param labels Class of every train row.
 */
export async function fitEnsemble(
  d: Device,
  model: OrionMSP,
  methods: readonly string[],
  tables: readonly Matrix[],
  labels: Int32Array,
  members: readonly Member[],
  options: FitOptions,
): Promise<FittedEnsemble> {
  const { config } = model;
  const classes = labels.reduce((most, c) => Math.max(most, c + 1), 0);
  const scope = d.scope();
  const distinct = distinctOrders(members, methods);
  const total = tables.length + distinct.orders.length + 1;
  let done = 0;
  const tick = (stage: string): void => options.onProgress?.({ stage, done: ++done, total });
  try {
    const columns: ColumnContext[] = [];
    const embedded: Tensor[] = [];
    for (const table of tables) {
      const made = await embedColumns(
        scope,
        config,
        parametersOf(model).column,
        columnTensor(scope, table),
        undefined,
        options.signal,
      );
      columns.push(made.context.map((keys) => cast(d, keys, "f16")));
      embedded.push(rowsFirst(scope, made.embeddings));
      made.embeddings.dispose();
      tick("columns");
    }
    const masks = modelMasks(d, model, tables[0]!.columns);
    const encode = rowEncoder(scope, model, masks, embedded, options.signal);
    const encoded: Tensor[] = [];
    for (const { method, pattern } of distinct.orders) {
      encoded.push(await encode(method, pattern));
      tick("rows");
    }
    const rows = distinct.ofMember.map((place) => encoded[place]!);
    const shifted = members.map(({ classShift }) => labels.map((c) => (c + classShift) % classes));
    const passes: FittedPass[] = [];
    const trees = classes > config.max_classes
      ? shifted.map((own) => classTree(own, config.max_classes))
      : [];
    const fit = async (train: Tensor, own: Int32Array) =>
      await fitLabels(d, config, parametersOf(model).icl, train, own, options.form, options.signal);
    if (trees.length === 0) {
      const all = reshape(scope, concat(scope, rows, 0), [members.length, labels.length, -1]);
      passes.push({
        members: members.map((_, i) => i),
        context: await fit(all, Int32Array.from(shifted.flatMap((own) => [...own]))),
      });
    }
    for (const [i, tree] of trees.entries()) {
      for (const node of nodesOf(tree)) {
        const inner = scope.scope();
        const train = gather(inner, rows[i]!, inner.tensor(node.rows, [1, node.rows.length]));
        passes.push({ members: [i], node, context: await fit(train, node.labels) });
        inner.dispose();
      }
    }
    tick("labels");
    return { members, classes, columns, passes, trees, masks, select: options.form.select };
  } finally {
    scope.dispose();
  }
}

/**
 * Answers for new rows; no row changes another's answer.
 *
 * @param tables The normalised rows, one table per method.
 * @returns Logits [rows, classes] per member, or the logarithm of the tree's probabilities times the temperature.
 */
export async function predictEnsemble(
  d: Device,
  model: OrionMSP,
  methods: readonly string[],
  fitted: FittedEnsemble,
  tables: readonly Matrix[],
  temperature: number,
  options: RunOptions,
): Promise<MemberOutput[]> {
  const rows = tables[0]!.rows;
  const distinct = distinctOrders(fitted.members, methods);
  const step = Math.max(
    1,
    Math.min(
      1024,
      Math.floor(CHUNK / (distinct.orders.length * tables[0]!.columns * model.config.embed_dim)),
    ),
  );
  const outputs = fitted.members.map(() => new Float32Array(rows * fitted.classes));
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    const part = await predictChunk(
      d,
      model,
      fitted,
      tables.map((table) => rowRange(table, from, to)),
      distinct,
      temperature,
      options,
    );
    part.forEach((values, i) => outputs[i]!.set(values, from * fitted.classes));
    options.onProgress?.({ stage: "predict", done: to, total: rows });
  }
  return outputs.map((values, i) => ({ values, classShift: fitted.members[i]!.classShift }));
}

interface Orders {
  /** Distinct pairs of method and feature order. */
  readonly orders: readonly { readonly method: number; readonly pattern: Int32Array }[];
  /** Which of them every member uses. */
  readonly ofMember: readonly number[];
}

async function predictChunk(
  d: Device,
  model: OrionMSP,
  fitted: FittedEnsemble,
  tables: readonly Matrix[],
  distinct: Orders,
  temperature: number,
  options: RunOptions,
): Promise<Float32Array[]> {
  const { config } = model;
  const parameters = parametersOf(model);
  const [m, h] = [tables[0]!.rows, tables[0]!.columns];
  const scope = d.scope();
  try {
    const embedded: Tensor[] = [];
    for (const [i, table] of tables.entries()) {
      const { embeddings } = await embedColumns(
        scope,
        config,
        parameters.column,
        columnTensor(scope, table),
        fitted.columns[i]!,
        options.signal,
      );
      embedded.push(rowsFirst(scope, embeddings));
    }
    const cells = reshape(scope, concat(scope, embedded, 0), [-1, config.embed_dim]);
    const index = new Int32Array(distinct.orders.length * m * h);
    distinct.orders.forEach(({ method, pattern }, u) => orderCells(index, u * m, method * m, m, pattern));
    const features = gather(scope, cells, scope.tensor(index, [distinct.orders.length * m, h]));
    const encoded = await encodeRows(scope, config, parameters.row, features, {
      masks: fitted.masks,
      signal: options.signal,
    });
    const r = reshape(scope, encoded, [distinct.orders.length, m, -1]);

    const logits = new Map<FittedPass, Float32Array>();
    for (const pass of fitted.passes) {
      const own = gather(
        scope,
        r,
        scope.tensor(Int32Array.from(pass.members, (i) => distinct.ofMember[i]!), [pass.members.length]),
      );
      logits.set(
        pass,
        await (await predictLabels(scope, config, parameters.icl, pass.context, own, options.signal)).read(),
      );
    }
    if (fitted.trees.length === 0) {
      const all = firstColumns({
        data: logits.get(fitted.passes[0]!)!,
        shape: [fitted.members.length, m, config.max_classes],
      }, fitted.classes).data;
      return fitted.members.map((_, i) => all.subarray(i * m * fitted.classes, (i + 1) * m * fitted.classes));
    }
    return fitted.trees.map((tree, i) => {
      const probabilities = new Map<ClassNode, Float32Array>();
      for (const [pass, values] of logits) {
        if (pass.node === undefined || pass.members[0] !== i) continue;
        const own = firstColumns({ data: values, shape: [m, config.max_classes] }, outputsOf(pass.node));
        probabilities.set(pass.node, softmaxRows(own, temperature).data);
      }
      return combine(tree, probabilities, m, fitted.classes).map((p) => temperature * Math.log(p + 1e-6));
    });
  } finally {
    scope.dispose();
  }
}

/** Encodes all rows of a table in a feature order, some rows at a time. */
function rowEncoder(
  scope: Device,
  model: OrionMSP,
  masks: ReadonlyMap<number, Tensor>,
  embedded: readonly Tensor[],
  signal: AbortSignal | undefined,
): (method: number, pattern: Int32Array) => Promise<Tensor> {
  const [n, h, e] = embedded[0]!.shape as [number, number, number];
  const step = Math.max(1, Math.floor(CHUNK / (h * e)));
  return async (method, pattern) => {
    const cells = reshape(scope, embedded[method]!, [n * h, e]);
    const parts: Tensor[] = [];
    for (let from = 0; from < n; from += step) {
      const inner = scope.scope();
      try {
        const to = Math.min(n, from + step);
        const index = new Int32Array((to - from) * h);
        orderCells(index, 0, from, to - from, pattern);
        const features = gather(inner, cells, inner.tensor(index, [to - from, h]));
        parts.push(
          inner.keep(
            await encodeRows(inner, model.config, parametersOf(model).row, features, { masks, signal }),
          ),
        );
      } finally {
        inner.dispose();
      }
    }
    return parts.length === 1 ? parts[0]! : concat(scope, parts, 0);
  };
}

/** Draws and uploads the masks of the config's own seed. */
export function modelMasks(d: Device, model: OrionMSP, features: number): Map<number, Tensor> {
  return uploadMasks(
    d,
    model.config,
    features,
    drawMasks(model.config, features, torchRandom(model.config.link_seed)),
  );
}

function distinctOrders(members: readonly Member[], methods: readonly string[]): Orders {
  const places = new Map<string, number>();
  const orders: { method: number; pattern: Int32Array }[] = [];
  const ofMember = members.map(({ norm, pattern }) => {
    const key = `${norm}:${pattern.join()}`;
    const place = places.get(key) ?? orders.push({ method: methods.indexOf(norm), pattern }) - 1;
    places.set(key, place);
    return place;
  });
  return { orders, ofMember };
}

function columnTensor(d: Device, table: Matrix): Tensor {
  return d.tensor(Float32Array.from(table.data), [table.columns, table.rows]);
}

function rowsFirst(d: Device, embeddings: Tensor): Tensor {
  return transpose(d, embeddings, [1, 0, 2]);
}

function rowRange(table: Matrix, from: number, to: number): Matrix {
  if (from === 0 && to === table.rows) return table;
  const data = new Float64Array((to - from) * table.columns);
  for (let j = 0; j < table.columns; j++) {
    data.set(table.data.subarray(j * table.rows + from, j * table.rows + to), j * (to - from));
  }
  return { rows: to - from, columns: table.columns, data };
}
