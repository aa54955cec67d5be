/**
 * Classification of tables by in-context learning: `fit` reads the train rows, `predict` answers for new ones.
 *
 * @module
 */
import { type Device, openDevice } from "../../sdk/device/mod.ts";
import { OrionMSP } from "../model/orion_msp.ts";
import { averageMembers, type MemberOutput } from "../preprocess/average.ts";
import { ensembleMembers } from "../preprocess/ensemble.ts";
import type { TableInput } from "../preprocess/table.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import { type FittedState, readContext, writeContext } from "./context_file.ts";
import { fitFeatures, transformFeatures } from "./features.ts";
import { fitEnsemble, predictEnsemble, type RunOptions } from "./fitted_ensemble.ts";
import { encodeLabels, type Label, type Labels } from "./labels.ts";
import { checkRoom } from "./limits.ts";
import { predictOfficial } from "./official_ensemble.ts";
import { type EnsembleSettings, ensembleSettings } from "./options.ts";
import { loadWeights, type WeightsSource } from "./weights_source.ts";

/** Options of {@linkcode OrionMSPClassifier.load}; the settings of the ensemble may be given as well. */
export interface ClassifierOptions extends Partial<EnsembleSettings> {
  /** What computes. @default openDevice(), which the classifier then owns and disposes */
  readonly device?: Device;
  /** A safetensors file (path, URL or bytes) with `config`. @default the bundled weights */
  readonly weights?: WeightsSource;
  /** Gives up loading. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode OrionMSPClassifier.restore}. */
export type RestoreOptions = Pick<ClassifierOptions, "device" | "weights" | "signal">;

interface Shared {
  readonly model: OrionMSP;
  readonly hash: string;
  /** Classifiers that use the model; the last one disposes it. */
  users: number;
  readonly release: () => void;
}

/**
 * Predicts classes of table rows with Orion-MSP (arXiv 2511.02818).
 *
 * Cells are numbers, strings, booleans or null (missing). Labels are strings, numbers or booleans.
 */
export class OrionMSPClassifier {
  readonly #shared: Shared;
  readonly #given: Partial<EnsembleSettings>;
  #state: { fitted: FittedState; scope: { dispose(): void } } | undefined;
  /** Calls run one after another, so that a context is never freed while it is read. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** Use {@linkcode OrionMSPClassifier.load} or {@linkcode OrionMSPClassifier.restore}. */
  constructor(shared: unknown, given: Partial<EnsembleSettings>) {
    this.#shared = shared as Shared;
    this.#given = given;
    this.#shared.users++;
  }

  /**
   * Loads weights onto a device.
   *
   * @throws WeightsError if the weights are broken or do not fit their config.
   */
  static async load(options: ClassifierOptions = {}): Promise<OrionMSPClassifier> {
    const { device: given, weights, signal, ...settings } = options;
    const { bytes, hash } = await loadWeights(weights, signal);
    const device = given ?? await openDevice(signal ? { signal } : {});
    try {
      const model = await OrionMSP.fromSafetensors(bytes, { device });
      ensembleSettings(model.config, settings);
      const release = (): void => {
        model.dispose();
        if (given === undefined) device.dispose();
      };
      return new OrionMSPClassifier({ model, hash, users: 0, release } satisfies Shared, settings);
    } catch (error) {
      if (given === undefined) device.dispose();
      throw error;
    }
  }

  /**
   * Loads a fitted context that `save` made.
   *
   * @param bytes The file.
   * @throws WeightsError if the file is broken, of another version, or was fitted with other weights.
   */
  static async restore(bytes: Uint8Array, options: RestoreOptions = {}): Promise<OrionMSPClassifier> {
    const classifier = await OrionMSPClassifier.load(options);
    try {
      const { model, hash } = classifier.#shared;
      const scope = model.device.scope();
      try {
        classifier.#state = { fitted: readContext(scope, bytes, model, hash), scope };
      } catch (error) {
        scope.dispose();
        throw error;
      }
      await model.device.flush(options.signal);
      return classifier;
    } catch (error) {
      classifier.dispose();
      throw error;
    }
  }

  /** The device that computes. */
  get device(): Device {
    return this.#shared.model.device;
  }

  /** Classes in the order of the columns of `predictProba`: false before true, numbers by size, then strings by code point. */
  get classes(): readonly Label[] {
    return this.#fitted().classes;
  }

  /** Another classifier over the same weights with a context of its own; dispose it as well. */
  fork(): OrionMSPClassifier {
    this.#alive();
    return new OrionMSPClassifier(this.#shared, this.#given);
  }

  /**
   * Reads train rows. A context that was fitted before stays until the new one is complete.
   *
   * @param X Rows as arrays or objects, or columns by name.
   * @param y One label per row.
   * @throws TypeError or RangeError for a table or labels that cannot be used; the signal's reason.
   */
  fit(X: TableInput, y: Labels, options: RunOptions = {}): Promise<this> {
    return this.#next(async () => {
      const { model } = this.#shared;
      const settings = ensembleSettings(model.config, this.#given);
      const { classes, codes, counts } = encodeLabels(y);
      const { features, tables, rows } = fitFeatures(X, settings);
      if (rows !== codes.length) {
        throw new RangeError(`Cannot fit: the table has ${rows} rows but there are ${codes.length} labels`);
      }
      const known = classes.length > 1 && features.width > 0;
      const members = known ? ensembleMembers(features.width, classes.length, settings) : [];
      if (known) {
        checkRoom(model.config, {
          rows,
          columns: features.width,
          members: members.length,
          tables: tables.length,
        });
      }
      options.signal?.throwIfAborted();
      const scope = model.device.scope();
      try {
        const base = { classes, counts, features, settings, members };
        const official = model.config.mode === "official";
        const fitted: FittedState = !known
          ? base
          : official
          ? { ...base, train: { tables, labels: codes } }
          : {
            ...base,
            ensemble: await fitEnsemble(scope, model, features.methods, tables, codes, members, options),
          };
        await model.device.flush(options.signal);
        this.#state?.scope.dispose();
        this.#state = { fitted, scope };
      } catch (error) {
        scope.dispose();
        throw error;
      }
      return this;
    });
  }

  /**
   * Class probabilities of rows.
   *
   * @param X Rows as in `fit`; named columns may come in another order.
   * @returns One row of probabilities per row, in the order of `classes`.
   */
  predictProba(X: TableInput, options: RunOptions = {}): Promise<number[][]> {
    return this.#next(() => this.#probabilities(X, options));
  }

  /**
   * The most probable class of every row.
   *
   * @param X Rows as in `fit`; named columns may come in another order.
   */
  async predict(X: TableInput, options: RunOptions = {}): Promise<Label[]> {
    const [classes, rows] = await this.#next(async () =>
      [this.classes, await this.#probabilities(X, options)] as const
    );
    return rows.map((row) => classes[row.indexOf(Math.max(...row))]!);
  }

  /** The fitted context as a file for {@linkcode OrionMSPClassifier.restore}. */
  save(): Promise<Uint8Array> {
    return this.#next(() => writeContext(this.#fitted(), this.#shared.hash));
  }

  /** Frees the context, and the weights with the last classifier that uses them. Twice is allowed. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#state?.scope.dispose();
    this.#state = undefined;
    if (--this.#shared.users === 0) this.#shared.release();
  }

  async #probabilities(X: TableInput, options: RunOptions): Promise<number[][]> {
    const { model } = this.#shared;
    const state = this.#fitted();
    const { features, members, settings } = state;
    options.signal?.throwIfAborted();
    if (isEmptyList(X)) return [];
    if (state.ensemble === undefined && state.train === undefined) {
      // One class, or nothing that varies: the class frequencies are all that is known.
      const { rows } = features.encoder.encode(X);
      const total = state.counts.reduce((all, count) => all + count, 0);
      return Array.from(
        { length: rows },
        () => Array.from(state.counts, (count) => count / total),
      );
    }
    const tables = transformFeatures(features, X, model.config.mode === "official" ? "table" : "cell");
    const rows = tables[0]!.rows;
    let outputs: MemberOutput[];
    if (state.ensemble) {
      outputs = await predictEnsemble(
        model.device,
        model,
        features.methods,
        state.ensemble,
        tables,
        settings.softmaxTemperature,
        options,
      );
    } else {
      const { tables: train, labels } = state.train!;
      checkRoom(model.config, { rows: rows + labels.length, columns: features.width, members: 1, tables: 1 });
      const known = {
        methods: features.methods,
        train,
        test: tables,
        labels,
        classes: state.classes.length,
        generator: torchRandom(settings.randomState),
      };
      outputs = await predictOfficial(model, known, members, settings, options);
    }
    const flat = averageMembers(outputs, state.classes.length, settings);
    return Array.from(
      { length: rows },
      (_, i) => Array.from(flat.subarray(i * state.classes.length, (i + 1) * state.classes.length)),
    );
  }

  #fitted(): FittedState {
    this.#alive();
    if (this.#state === undefined) {
      throw new Error("Cannot predict before fit: call fit(X, y) or restore a saved context first");
    }
    return this.#state.fitted;
  }

  #alive(): void {
    if (this.#disposed) throw new Error("Cannot use this classifier: it is disposed");
  }

  #next<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      this.#alive();
      return run();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function isEmptyList(X: TableInput): boolean {
  return Array.isArray(X) && X.length === 0;
}
