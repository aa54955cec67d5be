/**
 * Classification of tables by in-context learning: `fit` reads the train rows, `predict` answers for new ones.
 *
 * @module
 */
import type { Device } from "../../sdk/device/mod.ts";
import { averageMembers } from "../preprocess/average.ts";
import { ensembleMembers } from "../preprocess/ensemble.ts";
import type { TableInput } from "../preprocess/table.ts";
import { torchRandom } from "../preprocess/torch_random.ts";
import { type FittedState, readContext, writeContext } from "./context_file.ts";
import { fitFeatures, transformFeatures } from "./features.ts";
import { fitEnsemble, predictEnsemble, type RunOptions } from "./fitted_ensemble.ts";
import { HeldContext, type MakeState } from "./held_context.ts";
import { encodeLabels, type Label, type Labels } from "./labels.ts";
import { checkRoom } from "./limits.ts";
import { predictOfficial } from "./official_ensemble.ts";
import { contextForm, type ContextOptions, type EnsembleSettings, ensembleSettings } from "./options.ts";
import { SharedModel } from "./shared_model.ts";
import type { WeightsSource } from "./weights_source.ts";

/** Options of {@linkcode OrionMSPClassifier.load}; the settings of the ensemble may be given as well. */
export interface ClassifierOptions extends Partial<EnsembleSettings> {
  /** What computes. @default openDevice(), which the classifier then owns and disposes */
  readonly device?: Device;
  /** A safetensors file (path, URL or bytes) with `config`; the bytes are kept in case the device is lost. @default the bundled weights */
  readonly weights?: WeightsSource;
  /** How fitted contexts are kept and read. @default as they are, in float16 */
  readonly context?: ContextOptions;
  /** Gives up loading. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode OrionMSPClassifier.restore}. */
export type RestoreOptions = Pick<ClassifierOptions, "device" | "weights" | "signal">;

/** A feature that was learned. */
export interface FeatureColumn {
  /** Its name in the table. */
  readonly name: string;
  /** What its cells are: numbers, or categories, which are told apart by their text. */
  readonly type: "number" | "text";
}

/** What of the options `fit` needs. */
type FitSettings = Omit<ClassifierOptions, "device" | "weights" | "signal">;

/**
 * Predicts classes of table rows with Orion-MSP (arXiv 2511.02818).
 *
 * Cells are numbers, strings, booleans or null (missing). Labels are strings, numbers or booleans.
 *
 * A call whose device is lost goes on with the next device that opens: the model is loaded and the context fitted again from what the host keeps.
 * Where none opens, or the device was opened with `recover: false`, calls throw `DeviceLostError`.
 */
export class OrionMSPClassifier {
  readonly #shared: SharedModel;
  readonly #given: FitSettings;
  #context: HeldContext | undefined;
  /** Calls run one after another, so that a context is never freed while it is read. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** Use {@linkcode OrionMSPClassifier.load} or {@linkcode OrionMSPClassifier.restore}. */
  constructor(shared: unknown, given: FitSettings) {
    this.#shared = (shared as SharedModel).share();
    this.#given = given;
  }

  /**
   * Loads weights onto a device.
   *
   * @throws WeightsError if the weights are broken or do not fit their config; RangeError if an option is out of range.
   */
  static async load(options: ClassifierOptions = {}): Promise<OrionMSPClassifier> {
    const { device, weights, signal, ...settings } = options;
    const classifier = new OrionMSPClassifier(await SharedModel.load({ device, weights, signal }), settings);
    try {
      const { config } = classifier.#shared;
      ensembleSettings(config, settings);
      contextForm(config, settings.context);
      return classifier;
    } catch (error) {
      classifier.dispose();
      throw error;
    }
  }

  /**
   * Loads a fitted context that `save` made.
   *
   * @param bytes The file; it is kept in case the device is lost.
   * @throws WeightsError if the file is broken, of another version, or was fitted with other weights.
   */
  static async restore(bytes: Uint8Array, options: RestoreOptions = {}): Promise<OrionMSPClassifier> {
    const classifier = await OrionMSPClassifier.load(options);
    try {
      return await classifier.restore(bytes, options);
    } finally {
      // The restored one shares its weights.
      classifier.dispose();
    }
  }

  /** The device that computes. */
  get device(): Device {
    return this.#shared.device;
  }

  /** Classes in the order of the columns of `predictProba`: false before true, numbers by size, then strings by code point. */
  get classes(): readonly Label[] {
    return this.#fitted().state.classes;
  }

  /**
   * Features in the order in which they were learned, with what they hold; undefined where they are known by place only. A feature without any value counts as numbers.
   */
  get columns(): readonly FeatureColumn[] | undefined {
    const { named, columns } = this.#fitted().state.features.encoder.state;
    return named
      ? columns.map(({ name, kind }) => ({ name, type: kind === "category" ? "text" : "number" }))
      : undefined;
  }

  /** Another classifier over the same weights with a context of its own; dispose it as well. */
  fork(): OrionMSPClassifier {
    this.#alive();
    return new OrionMSPClassifier(this.#shared, this.#given);
  }

  /**
   * Another classifier over the same weights with a context that `save` made; dispose it as well.
   *
   * @param bytes The file; it is kept in case the device is lost.
   * @throws WeightsError if the file is broken, of another version, or was fitted with other weights.
   */
  async restore(bytes: Uint8Array, options: RunOptions = {}): Promise<OrionMSPClassifier> {
    const restored = this.fork();
    try {
      const { hash } = this.#shared;
      await restored.#hold((scope, model) => readContext(scope, bytes, model, hash), options);
      return restored;
    } catch (error) {
      restored.dispose();
      throw error;
    }
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
      const { config } = this.#shared;
      const settings = ensembleSettings(config, this.#given);
      const form = contextForm(config, this.#given.context);
      const { classes, codes, counts } = encodeLabels(y);
      const { features, tables, rows } = fitFeatures(X, settings);
      if (rows !== codes.length) {
        throw new RangeError(`Cannot fit: the table has ${rows} rows but there are ${codes.length} labels`);
      }
      const known = classes.length > 1 && features.width > 0;
      const members = known ? ensembleMembers(features.width, classes.length, settings) : [];
      if (known) {
        checkRoom(config, {
          rows,
          columns: features.width,
          members: members.length,
          tables: tables.length,
          keyBytes: form.storage.spec["type"] === "f32" ? 4 : 2,
        });
      }
      options.signal?.throwIfAborted();
      const base: FittedState = { classes, counts, features, settings, members };
      await this.#hold(async (scope, model, call) => {
        if (!known) return base;
        if (config.mode === "official") return { ...base, train: { tables, labels: codes } };
        const { methods } = features;
        const how = { ...call, form };
        return { ...base, ensemble: await fitEnsemble(scope, model, methods, tables, codes, members, how) };
      }, options);
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
    return this.#next(() => {
      const context = this.#fitted();
      return this.#shared.run(async (model) =>
        await writeContext(await context.on(model, {}), this.#shared.hash)
      );
    });
  }

  /** Frees the context, and the weights with the last classifier that uses them. Twice is allowed. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#context?.dispose();
    this.#context = undefined;
    this.#shared.leave();
  }

  /** Makes a context and takes it in the place of the last one. */
  async #hold(make: MakeState, options: RunOptions): Promise<void> {
    const context = await this.#shared.run((model) => HeldContext.make(make, model, options), options.signal);
    if (this.#disposed) context.dispose();
    this.#alive();
    this.#context?.dispose();
    this.#context = context;
  }

  async #probabilities(X: TableInput, options: RunOptions): Promise<number[][]> {
    const { config } = this.#shared;
    const context = this.#fitted();
    const { state } = context;
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
    const tables = transformFeatures(features, X, config.mode === "official" ? "table" : "cell");
    const rows = tables[0]!.rows;
    if (state.train) {
      const all = rows + state.train.labels.length;
      checkRoom(config, { rows: all, columns: features.width, members: 1, tables: 1 });
    }
    const outputs = await this.#shared.run(async (model) => {
      const { ensemble, train } = await context.on(model, options);
      return ensemble
        ? await predictEnsemble(
          model.device,
          model,
          features.methods,
          ensemble,
          tables,
          settings.softmaxTemperature,
          options,
        )
        : await predictOfficial(
          model,
          {
            methods: features.methods,
            train: train!.tables,
            test: tables,
            labels: train!.labels,
            classes: state.classes.length,
            generator: torchRandom(settings.randomState),
          },
          members,
          settings,
          options,
        );
    }, options.signal);
    const flat = averageMembers(outputs, state.classes.length, settings);
    return Array.from(
      { length: rows },
      (_, i) => Array.from(flat.subarray(i * state.classes.length, (i + 1) * state.classes.length)),
    );
  }

  #fitted(): HeldContext {
    this.#alive();
    if (this.#context === undefined) {
      throw new Error("Cannot predict before fit: call fit(X, y) or restore a saved context first");
    }
    return this.#context;
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
