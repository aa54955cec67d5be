/**
 * Orion-MSP, the bare model: a state dict on a device and one pass over whole tables.
 *
 * @module
 */
import { type Device, WeightsError } from "../../sdk/device/mod.ts";
import { readSafetensors, type SafetensorsEntry } from "../../sdk/weights/safetensors.ts";
import { type ArrayInput, type NdArray, toNdArray } from "./arrays.ts";
import { type OrionConfig, parseConfig } from "./config.ts";
import { forward, type ForwardOptions } from "./forward.ts";
import { type Parameters, uploadParameters } from "./parameters.ts";

/** Where a model is put. */
export interface OrionMSPOptions {
  /** Holds the parameters and computes. */
  readonly device: Device;
}

/** Kept beside the models, so that their layout is no part of the public type. */
const PARAMETERS = new WeakMap<OrionMSP, Parameters>();

/** The parameters of a model; for the classifier, which runs the parts of a pass on their own. */
export function parametersOf(model: OrionMSP): Parameters {
  return PARAMETERS.get(model)!;
}

/**
 * An Orion-MSP model on a device (arXiv 2511.02818; `mode: "filigree"` of the config marks our variant).
 *
 * It lives on the device that it was made on: after a loss it throws `DeviceLostError`, and {@linkcode recovering} tells how to go on.
 */
export class OrionMSP {
  /** What the weights say of themselves. */
  readonly config: OrionConfig;
  /** Holds the parameters and computes. */
  readonly device: Device;
  readonly #scope: { dispose(): void };

  /** Use {@linkcode OrionMSP.fromSafetensors} or {@linkcode OrionMSP.fromTensors}. */
  constructor(config: OrionConfig, device: Device, tensors: ReadonlyMap<string, SafetensorsEntry>) {
    const scope = device.scope();
    try {
      PARAMETERS.set(this, uploadParameters(scope, config, tensors));
    } catch (error) {
      scope.dispose();
      throw error;
    }
    this.config = config;
    this.device = device;
    this.#scope = scope;
  }

  /**
   * Loads a weights file whose metadata has the `config` as JSON.
   *
   * @throws WeightsError if the file is broken or does not fit its config.
   */
  static async fromSafetensors(bytes: Uint8Array, options: OrionMSPOptions): Promise<OrionMSP> {
    const model = readModel(bytes, options.device);
    try {
      await options.device.flush();
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  /**
   * Makes a model of tensors at hand.
   *
   * @param config Constructor keywords as in an official checkpoint.
   * @param tensors The state dict, by name.
   * @throws WeightsError if names or shapes do not fit the config.
   */
  static fromTensors(
    config: unknown,
    tensors: ReadonlyMap<string, SafetensorsEntry> | Readonly<Record<string, SafetensorsEntry>>,
    options: OrionMSPOptions,
  ): OrionMSP {
    const entries = tensors instanceof Map ? tensors : new Map(Object.entries(tensors));
    return new OrionMSP(
      parseConfig(config),
      options.device,
      entries as ReadonlyMap<string, SafetensorsEntry>,
    );
  }

  /**
   * One pass over tables of train rows and test rows.
   *
   * @param X [B, T, H]: train rows first.
   * @param yTrain [B, n]: classes from 0 on of the first n rows.
   * @returns Logits (or probabilities) [B, T - n, k] for the k classes in `yTrain`.
   * @throws RangeError if shapes do not fit, a label is no class or a number is not finite; DeviceLostError if the device was lost since the model was
   * made: `await device.recover()` and make the model again.
   */
  async forward(X: ArrayInput, yTrain: ArrayInput, options: ForwardOptions = {}): Promise<NdArray> {
    const x = toNdArray("X", X, 3);
    const labels = toNdArray("yTrain", yTrain, 2);
    checkInput(x, labels, options);
    const scope = this.device.scope();
    try {
      return await forward(scope, this.config, parametersOf(this), { x, labels }, options);
    } finally {
      scope.dispose();
    }
  }

  /** Frees the parameters. Twice is allowed. */
  dispose(): void {
    this.#scope.dispose();
  }
}

/** Puts a weights file on a device at once; for the classifier, which makes its model again after a loss. */
export function readModel(bytes: Uint8Array, device: Device): OrionMSP {
  const file = readSafetensors(bytes);
  const config = file.metadata["config"];
  if (config === undefined) {
    throw new WeightsError(`Cannot load the weights: their metadata has no "config"`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(config);
  } catch (cause) {
    throw new WeightsError(`Cannot load the weights: their "config" is not JSON`, { cause });
  }
  return OrionMSP.fromTensors(parsed, file.tensors, { device });
}

function checkInput(x: NdArray, labels: NdArray, options: ForwardOptions): void {
  const [tables, rows, h] = x.shape as [number, number, number];
  const [batch, n] = labels.shape as [number, number];
  if (batch !== tables || n > rows || n === 0 || h === 0 || tables === 0) {
    throw new RangeError(
      `Cannot run the model: X has shape [${x.shape}] and yTrain [${labels.shape}], expected [B, T, H] and [B, n] with 1 <= n <= T`,
    );
  }
  if (!labels.data.every((label) => Number.isInteger(label) && label >= 0)) {
    throw new RangeError("Cannot run the model: yTrain must hold whole numbers of at least 0");
  }
  if (!x.data.every(Number.isFinite)) {
    throw new RangeError("Cannot run the model: X must hold finite numbers only");
  }
  for (const order of options.featureShuffles ?? []) {
    if (
      new Set(Array.from(order).filter((j) => Number.isInteger(j) && j >= 0 && j < h)).size !== h ||
      order.length !== h
    ) {
      throw new RangeError(
        `Cannot run the model: every feature order must hold each number from 0 to ${h - 1} once`,
      );
    }
  }
  if (options.featureShuffles && options.featureShuffles.length !== tables) {
    throw new RangeError(
      `Cannot run the model: got ${options.featureShuffles.length} feature orders for ${tables} tables`,
    );
  }
}
