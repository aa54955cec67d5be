/**
 * The model behind a classifier and its forks: made again from its weights whenever its device was lost.
 *
 * @module
 */
import { type Device, openDevice, recovering } from "../../sdk/device/mod.ts";
import type { OrionConfig } from "../model/config.ts";
import { type OrionMSP, readModel } from "../model/orion_msp.ts";
import { loadWeights, type WeightsSource } from "./weights_source.ts";

/** What a model is loaded from, and where it is put. */
export interface SharedModelOptions {
  /** What computes. @default openDevice(), which is then disposed of with the model */
  readonly device?: Device | undefined;
  readonly weights?: WeightsSource | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model that outlives its device. */
export class SharedModel {
  readonly device: Device;
  /** SHA-256 of the weights. */
  readonly hash: string;
  readonly #ownsDevice: boolean;
  /** The host copy of the weights; the bundled ones are read from the program instead. */
  #bytes: Uint8Array | undefined;
  #model: OrionMSP | undefined;
  /** The generation of the device that holds the model; none if it must be made again in any case. */
  #generation: number | undefined;
  #users = 0;
  #released = false;

  /** Use {@linkcode SharedModel.load}. */
  constructor(device: Device, weights: { bytes: Uint8Array; hash: string }, ownsDevice: boolean) {
    this.device = device;
    this.hash = weights.hash;
    this.#bytes = weights.bytes;
    this.#ownsDevice = ownsDevice;
  }

  /** Loads weights onto a device. */
  static async load({ device, weights, signal }: SharedModelOptions): Promise<SharedModel> {
    const loaded = await loadWeights(weights, signal);
    const on = device ?? await openDevice(signal ? { signal } : {});
    const shared = new SharedModel(on, loaded, device === undefined);
    try {
      await shared.run(() => Promise.resolve(), signal);
    } catch (error) {
      shared.#release();
      throw error;
    }
    if (weights === undefined) shared.#bytes = undefined;
    return shared;
  }

  /** What the weights say of themselves. */
  get config(): OrionConfig {
    return this.#model!.config;
  }

  /** Runs work with the model, and again with a new one when the device is lost meanwhile. */
  run<T>(work: (model: OrionMSP) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return recovering(this.device, async () => await work(await this.#current()), signal);
  }

  /** Counts one user more. */
  share(): this {
    this.#users++;
    return this;
  }

  /** Counts one user less; with the last one the model goes. */
  leave(): void {
    if (--this.#users === 0) this.#release();
  }

  /** The model on the device of now. */
  async #current(): Promise<OrionMSP> {
    if (this.#isStale()) {
      const bytes = this.#bytes ?? (await loadWeights(undefined)).bytes;
      if (this.#released) throw new Error("Cannot use this model: it is disposed");
      // Forks make it once: the first to come here.
      if (this.#isStale()) await this.#make(bytes);
    }
    return this.#model!;
  }

  #isStale(): boolean {
    return this.#generation !== this.device.generation;
  }

  async #make(bytes: Uint8Array): Promise<void> {
    const { generation } = this.device;
    this.#model?.dispose();
    this.#generation = undefined;
    const model = readModel(bytes, this.device);
    this.#model = model;
    this.#generation = generation;
    try {
      await this.device.flush();
    } catch (error) {
      model.dispose();
      if (this.#model === model) this.#generation = undefined;
      throw error;
    }
  }

  #release(): void {
    this.#released = true;
    this.#model?.dispose();
    if (this.#ownsDevice) this.device.dispose();
  }
}
