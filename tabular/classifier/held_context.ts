/**
 * A fitted state whose tensors are made again, from what the host keeps, when their device was lost.
 *
 * @module
 */
import type { Device } from "../../sdk/device/mod.ts";
import type { OrionMSP } from "../model/orion_msp.ts";
import type { FittedState } from "./context_file.ts";
import type { RunOptions } from "./fitted_ensemble.ts";

/** Makes a state from host data: by fitting, or by reading a file. */
export type MakeState = (
  scope: Device,
  model: OrionMSP,
  options: RunOptions,
) => FittedState | Promise<FittedState>;

/** A fitted state on a device. */
export class HeldContext {
  readonly #make: MakeState;
  #made: Made;
  #disposed = false;

  /** Use {@linkcode HeldContext.make}. */
  constructor(make: MakeState, made: Made) {
    this.#make = make;
    this.#made = made;
  }

  /** Makes a state on the model's device. */
  static async make(make: MakeState, model: OrionMSP, options: RunOptions): Promise<HeldContext> {
    return new HeldContext(make, await runMake(make, model, options));
  }

  /** The state; its tensors may be lost, all else holds. */
  get state(): FittedState {
    return this.#made.state;
  }

  /** The state with tensors on the model's device of now. */
  async on(model: OrionMSP, options: RunOptions): Promise<FittedState> {
    if (this.#made.generation !== model.device.generation) {
      this.#made.scope.dispose();
      this.#made = await runMake(this.#make, model, options);
      if (this.#disposed) this.#made.scope.dispose();
    }
    return this.#made.state;
  }

  /** Frees the tensors. */
  dispose(): void {
    this.#disposed = true;
    this.#made.scope.dispose();
  }
}

interface Made {
  readonly state: FittedState;
  readonly scope: { dispose(): void };
  readonly generation: number;
}

async function runMake(make: MakeState, model: OrionMSP, options: RunOptions): Promise<Made> {
  const { device } = model;
  const { generation } = device;
  const scope = device.scope();
  try {
    const state = await make(scope, model, options);
    await device.flush(options.signal);
    return { state, scope, generation };
  } catch (error) {
    scope.dispose();
    throw error;
  }
}
