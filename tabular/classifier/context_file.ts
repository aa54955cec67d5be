/**
 * A fitted context as one safetensors file: write it after `fit`, load it at the edge.
 *
 * @module
 */
import { decodeCache } from "../../sdk/cache/cache_file.ts";
import { KVCache } from "../../sdk/cache/mod.ts";
import { type Device, type Tensor, WeightsError } from "../../sdk/device/mod.ts";
import { readSafetensors, type SafetensorsEntry, writeSafetensors } from "../../sdk/weights/safetensors.ts";
import type { DoubleSparsityProfile } from "../../sdk/methods/double_sparsity_profile.ts";
import { type ClassNode, classTree, nodesOf } from "../model/hierarchy.ts";
import { type RowSelection, selectRows } from "../model/label_cache.ts";
import type { OrionMSP } from "../model/orion_msp.ts";
import { rowWidth } from "../model/config.ts";
import type { EncoderState } from "../preprocess/encode.ts";
import type { Member } from "../preprocess/ensemble.ts";
import type { Matrix } from "../preprocess/matrix.ts";
import { type Features, restoreFeatures } from "./features.ts";
import { type FittedEnsemble, type FittedPass, modelMasks } from "./fitted_ensemble.ts";
import type { Label } from "./labels.ts";
import { checkStorage, type EnsembleSettings, ensembleSettings } from "./options.ts";

/** Version of the file's layout. */
export const CONTEXT_FORMAT = 2;

/** What a classifier knows after `fit`. */
export interface FittedState {
  readonly classes: readonly Label[];
  /** Train rows per class. */
  readonly counts: Int32Array;
  readonly features: Features;
  readonly settings: EnsembleSettings;
  readonly members: readonly Member[];
  /** The context of `filigree` weights; absent where there is nothing to compute (one class, no varying column). */
  readonly ensemble?: FittedEnsemble;
  /** The train rows of official weights, which recompute everything: one table per method, and the class of every row. */
  readonly train?: { readonly tables: readonly Matrix[]; readonly labels: Int32Array };
}

interface Header {
  readonly format: number;
  readonly weights: string;
  readonly classes: readonly Label[];
  readonly encoder: EncoderState;
  readonly settings: EnsembleSettings;
  readonly members: readonly { readonly norm: Member["norm"]; readonly classShift: number }[];
  readonly methods: readonly string[];
  readonly kind: "constant" | "filigree" | "official";
  readonly rows: number;
  /** How new rows choose train rows, and the profile of every pass: what it keeps beside the keys is made again from them. */
  readonly select?: { readonly options: RowSelection; readonly profiles: readonly DoubleSparsityProfile[] };
}

/** Writes a context. @param weights Hash of the weights that it was fitted with. */
export async function writeContext(state: FittedState, weights: string): Promise<Uint8Array> {
  const { features, ensemble, train } = state;
  const tensors = new Map<string, SafetensorsEntry>();
  const put = (
    name: string,
    dtype: SafetensorsEntry["dtype"],
    shape: readonly number[],
    data: SafetensorsEntry["data"],
  ): void => {
    tensors.set(name, { dtype, shape: [...shape], data } as SafetensorsEntry);
  };
  put("kept", "U8", [features.kept.length], features.kept);
  put("counts", "I32", [state.counts.length], state.counts);
  state.members.forEach((member, i) =>
    put(`members.${i}.pattern`, "I32", [member.pattern.length], member.pattern)
  );
  features.pipelines.forEach(({ state: own }, i) => {
    for (const [name, data] of Object.entries(own.arrays)) {
      put(`pipelines.${i}.${name}`, "F64", [data.length], data);
    }
  });
  const keys = async (name: string, tensor: Tensor): Promise<void> =>
    put(name, "F16", tensor.shape, await tensor.read("f16"));
  for (const [i, blocks] of (ensemble?.columns ?? []).entries()) {
    for (const [b, tensor] of blocks.entries()) await keys(`columns.${i}.${b}`, tensor);
  }
  for (const [i, { context }] of (ensemble?.passes ?? []).entries()) {
    for (const [name, list] of Object.entries(context.memory ?? {}) as [string, readonly Tensor[]][]) {
      for (const [l, tensor] of list.entries()) await keys(`passes.${i}.${name}.${l}`, tensor);
    }
    for (const [l, cache] of context.icl.entries()) {
      const file = await cache.save();
      // The first name among those of bytes: after wider elements it begins at an even place, so that its float16 rows are read without a copy.
      put(`caches.${i}.${l}`, "U8", [file.length], file);
    }
  }
  ensemble?.trees.forEach((tree, i) => put(`trees.${i}`, "I32", [tree.rows.length], rowClasses(tree)));
  train?.tables.forEach((table, i) => put(`train.${i}`, "F64", [table.columns, table.rows], table.data));
  if (train) put("train.labels", "I32", [train.labels.length], train.labels);
  const header: Header = {
    format: CONTEXT_FORMAT,
    weights,
    classes: state.classes,
    encoder: features.encoder.state,
    settings: state.settings,
    members: state.members.map(({ norm, classShift }) => ({ norm, classShift })),
    methods: features.methods,
    kind: ensemble ? "filigree" : train ? "official" : "constant",
    rows: state.counts.reduce((all, count) => all + count, 0),
    ...(ensemble?.select && {
      select: {
        options: ensemble.select,
        profiles: ensemble.passes.map(({ context }) => context.select!.profile),
      },
    }),
  };
  return writeSafetensors(tensors, { filigree: "orion-msp-context", context: JSON.stringify(header) });
}

/**
 * Reads a context back onto a device.
 *
 * @param d Receives the tensors.
 * @param weights Hash of the weights at hand.
 * @throws WeightsError if the file is broken, of another version, or was fitted with other weights.
 */
export function readContext(d: Device, bytes: Uint8Array, model: OrionMSP, weights: string): FittedState {
  const file = readSafetensors(bytes);
  const header = readHeader(file.metadata);
  if (header.weights !== weights) {
    throw new WeightsError(
      `Cannot restore the context: it was fitted with weights ${header.weights.slice(0, 12)}, but these are ${
        weights.slice(0, 12)
      }; load those weights or fit again`,
    );
  }
  const entry = (name: string, dtype: string, rank: number): SafetensorsEntry => {
    const found = file.tensors.get(name);
    if (found === undefined || found.dtype !== dtype || found.shape.length !== rank) {
      throw new WeightsError(
        `Cannot restore the context: tensor "${name}" of type ${dtype} with ${rank} axes is missing`,
      );
    }
    return found;
  };
  try {
    const kept = entry("kept", "U8", 1).data as Uint8Array;
    const pipelines = header.methods.map((method, i) => {
      const arrays: Record<string, Float64Array> = {};
      for (const [name, { data, dtype }] of file.tensors) {
        if (name.startsWith(`pipelines.${i}.`) && dtype === "F64") {
          arrays[name.slice(`pipelines.${i}.`.length)] = data as Float64Array;
        }
      }
      return { method, columns: columnsOf(kept), arrays };
    });
    const features = restoreFeatures(header.encoder, kept, pipelines);
    const members = header.members.map(({ norm, classShift }, i): Member => ({
      norm,
      classShift,
      pattern: checkedPattern(entry(`members.${i}.pattern`, "I32", 1).data as Int32Array, features.width),
    }));
    const state = {
      classes: header.classes,
      counts: entry("counts", "I32", 1).data as Int32Array,
      features,
      settings: ensembleSettings(model.config, header.settings),
      members,
    };
    if (state.counts.length !== state.classes.length) {
      throw new WeightsError("Cannot restore the context: counts and classes differ in number");
    }
    if (header.kind === "constant") return state;
    if (header.kind === "official") {
      const tables = header.methods.map((_, i): Matrix => {
        const { shape, data } = entry(`train.${i}`, "F64", 2);
        return { columns: shape[0]!, rows: shape[1]!, data: data as Float64Array };
      });
      return { ...state, train: { tables, labels: entry("train.labels", "I32", 1).data as Int32Array } };
    }
    const upload = (name: string, batch: number, rows: number, width: number): Tensor => {
      const { shape, data } = entry(name, "F16", 3);
      if (shape[0] !== batch || shape[1] !== rows || shape[2] !== width) {
        throw new WeightsError(
          `Cannot restore the context: tensor "${name}" has shape [${shape}], expected [${batch}, ${rows}, ${width}]`,
        );
      }
      return d.tensor(data as Uint16Array, shape);
    };
    const { config } = model;
    const { select } = header;
    const cache = (name: string, members: number, rows: number, layer: number): KVCache => {
      const file = entry(name, "U8", 1).data as Uint8Array;
      const { header: found } = decodeCache(file);
      const heads = members * config.icl_nhead;
      const headDim = rowWidth(config) / config.icl_nhead;
      const sizes = [found.heads, found.queryHeads, found.headDim, found.length, found.layer];
      if (`${sizes}` !== `${[heads, heads, headDim, rows, layer]}`) {
        throw new WeightsError(
          `Cannot restore the context: "${name}" has ${found.heads} heads of ${found.headDim} columns and ${found.length} rows, expected ${heads} of ${headDim} and ${rows}`,
        );
      }
      checkStorage(found.storage.name);
      return KVCache.restore(d, file);
    };
    const masks = modelMasks(d, model, features.width);
    const columns = header.methods.map((_, i) =>
      Array.from(
        { length: config.col_num_blocks },
        (_, b) => upload(`columns.${i}.${b}`, features.width, config.col_num_inds, 2 * config.embed_dim),
      )
    );
    const treeMembers = header.classes.length > config.max_classes ? members : [];
    const trees = treeMembers.map((_, i) =>
      classTree(entry(`trees.${i}`, "I32", 1).data as Int32Array, config.max_classes)
    );
    const slots: { members: number[]; node?: ClassNode }[] = trees.length === 0
      ? [{ members: members.map((_, i) => i) }]
      : trees.flatMap((tree, i) => nodesOf(tree).map((node) => ({ members: [i], node })));
    const passes = slots.map((slot, i): FittedPass => {
      const rows = slot.node?.rows.length ?? header.rows;
      const list = (name: string, count: number, length: number): Tensor[] =>
        Array.from(
          { length: count },
          (_, l) => upload(`passes.${i}.${name}.${l}`, slot.members.length, length, 2 * rowWidth(config)),
        );
      const memory = config.perc_num_latents > 0 && {
        memory: {
          latents: list("latents", config.perc_layers, config.perc_num_latents),
          train: list("train", config.perc_layers, rows),
        },
      };
      const icl = Array.from(
        { length: config.icl_num_blocks },
        (_, l) => cache(`caches.${i}.${l}`, slot.members.length, rows, l),
      );
      const chosen = select && { select: selectRows(icl, select.options, select.profiles[i]!) };
      return { ...slot, context: { ...memory, icl, ...chosen } };
    });
    const classes = header.classes.length;
    return {
      ...state,
      ensemble: { members, classes, columns, passes, trees, masks, select: select?.options },
    };
  } catch (cause) {
    if (cause instanceof WeightsError || !(cause instanceof TypeError || cause instanceof RangeError)) {
      throw cause;
    }
    throw new WeightsError(`Cannot restore the context: ${cause.message}`, { cause });
  }
}

function readHeader(metadata: Readonly<Record<string, string>>): Header {
  if (metadata["filigree"] !== "orion-msp-context") {
    throw new WeightsError("Cannot restore the context: the file is no fitted context; make one with save()");
  }
  let header: Header;
  try {
    header = JSON.parse(metadata["context"] ?? "");
  } catch (cause) {
    throw new WeightsError("Cannot restore the context: its header is not JSON", { cause });
  }
  if (header?.format !== CONTEXT_FORMAT) {
    throw new WeightsError(
      `Cannot restore the context: its format is ${header?.format}, expected ${CONTEXT_FORMAT}; fit again with this version`,
    );
  }
  const sound = typeof header.weights === "string" && Array.isArray(header.classes) &&
    header.classes.length > 0 && Array.isArray(header.members) &&
    Array.isArray(header.methods) && Number.isSafeInteger(header.rows) &&
    typeof header.settings === "object" && header.settings !== null &&
    (header.select === undefined || isSelection(header.select)) &&
    header.members.every((member) =>
      Number.isSafeInteger(member?.classShift) && header.methods.includes(member.norm)
    );
  if (!sound) throw new WeightsError("Cannot restore the context: its header is incomplete");
  return header;
}

function isSelection(value: unknown): boolean {
  const { options, profiles } = (value ?? {}) as Partial<NonNullable<Header["select"]>>;
  return typeof options === "object" && options !== null && Array.isArray(profiles);
}

/** The class of every row of a tree, from its leaves. */
function rowClasses(tree: ClassNode): Int32Array {
  const classes = new Int32Array(tree.rows.length);
  for (const node of nodesOf(tree)) {
    if (node.children.length === 0) {
      node.rows.forEach((row, i) => classes[row] = node.classes[node.labels[i]!]!);
    }
  }
  return classes;
}

function columnsOf(kept: Uint8Array): number {
  return kept.reduce((all, keep) => all + (keep === 0 ? 0 : 1), 0);
}

function checkedPattern(pattern: Int32Array, width: number): Int32Array {
  if (pattern.length !== width || new Set(pattern.filter((j) => j >= 0 && j < width)).size !== width) {
    throw new WeightsError(
      `Cannot restore the context: a feature order is no permutation of ${width} features`,
    );
  }
  return pattern;
}
