/**
 * The weights of a decoder on a device.
 *
 * @module
 */
import type { Device } from "../device/device.ts";
import type { Tensor, Weight } from "../device/tensor.ts";
import type { WeightStore } from "../weights/store.ts";
import type { DecoderConfig } from "./config.ts";
import { type Embedding, uploadEmbedding } from "./embedding.ts";
import { ropeFrequencies } from "./rope_frequencies.ts";
import { halfSplit, joinOutputs, readLinear, type StoredLinear } from "./stored_linear.ts";
import { checkTensors, GGUF_NAMES, type LayerPart, type Naming, ROPE_FACTORS } from "./tensor_names.ts";

/** A linear layer. */
export interface Linear {
  /** [out, in]. */
  readonly w: Weight;
  /** [out]. */
  readonly bias?: Tensor;
}

/** A layer of a decoder. */
export interface LayerWeights {
  /** [hidden]. */
  readonly attentionNorm: Tensor;
  /** Queries, keys and values side by side: from one layer, or from three if their weights are of different types. */
  readonly qkv: readonly Linear[];
  /** [headDim], where queries and keys are normalised. */
  readonly qNorm?: Tensor | undefined;
  /** [headDim]. */
  readonly kNorm?: Tensor | undefined;
  /** Heads side by side to the residual stream. */
  readonly o: Linear;
  /** [hidden]. */
  readonly mlpNorm: Tensor;
  /** Goes through SiLU. */
  readonly gate: Linear;
  /** Is multiplied by it. */
  readonly up: Linear;
  /** The product to the residual stream. */
  readonly down: Linear;
}

/** All weights of a decoder. */
export interface DecoderWeights {
  /** Rows by token id. */
  readonly embedding: Embedding;
  /** In order. */
  readonly layers: readonly LayerWeights[];
  /** [hidden], of the last normalisation. */
  readonly norm: Tensor;
  /** [vocab, hidden]. */
  readonly head: Weight;
  /** [headDim / 2], radians per position. */
  readonly frequencies: Tensor;
}

/**
 * Loads the weights, each in the smallest form that loses nothing.
 *
 * @param d Receives them.
 * @param store Where they are.
 * @param config The decoder.
 * @param naming How its tensors are called there.
 * @param signal Gives up between tensors; its reason is thrown.
 * @returns The weights.
 * @throws WeightsError for a tensor that is missing, unknown or of another shape.
 */
export async function loadDecoder(
  d: Device,
  store: WeightStore,
  config: DecoderConfig,
  naming: Naming,
  signal?: AbortSignal,
): Promise<DecoderWeights> {
  checkTensors(store.tensors, config, naming);
  const { family, headDim } = config;
  // GGUF files of these families have the rows of queries and keys in the order of interleaved rotation.
  const interleaved = naming === GGUF_NAMES && (family === "llama" || family === "mistral");

  const vector = async (stem: string): Promise<Tensor> => {
    const data = await store.floats(`${stem}.weight`);
    return d.tensor(data, [data.length]);
  };
  const read = async (stem: string): Promise<StoredLinear> => {
    await d.flush(signal);
    return await readLinear(store, stem);
  };
  const upload = ({ data, shape, scales, bias }: StoredLinear): Linear => ({
    w: d.weight(data, shape, scales),
    ...(bias && { bias: d.tensor(bias, [bias.length]) }),
  });

  const loadLayer = async (index: number): Promise<LayerWeights> => {
    const stem = (part: LayerPart): string => naming.layer(index) + naming.parts[part];
    const rotated = async (part: "q" | "k"): Promise<StoredLinear> => {
      const stored = await read(stem(part));
      return interleaved ? halfSplit(stored, headDim) : stored;
    };
    const qkv = joinOutputs([await rotated("q"), await rotated("k"), await read(stem("v"))]);
    return {
      attentionNorm: await vector(stem("attentionNorm")),
      qkv: qkv.map(upload),
      ...(config.qkNorm && { qNorm: await vector(stem("qNorm")), kNorm: await vector(stem("kNorm")) }),
      o: upload(await read(stem("o"))),
      mlpNorm: await vector(stem("mlpNorm")),
      gate: upload(await read(stem("gate"))),
      up: upload(await read(stem("up"))),
      down: upload(await read(stem("down"))),
    };
  };

  const matrix = await read(naming.embedding);
  const embedding = uploadEmbedding(d, matrix);
  const tied = config.tied || !store.tensors.has(`${naming.head}.weight`);
  const head = upload(tied ? matrix : await read(naming.head)).w;
  const layers: LayerWeights[] = [];
  for (let index = 0; index < config.layers; index++) layers.push(await loadLayer(index));
  return {
    embedding,
    layers,
    norm: await vector(naming.norm),
    head,
    frequencies: d.tensor(await frequenciesOf(store, config), [headDim / 2]),
  };
}

async function frequenciesOf(
  store: WeightStore,
  { rope, headDim }: DecoderConfig,
): Promise<Float32Array<ArrayBuffer>> {
  const frequencies = ropeFrequencies(rope, headDim);
  if (!store.tensors.has(ROPE_FACTORS)) return frequencies;
  const factors = await store.floats(ROPE_FACTORS);
  return frequencies.map((frequency, i) => frequency / factors[i]!);
}
