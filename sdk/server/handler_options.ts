import type { CsvBodies } from "./csv.ts";
import type { Variants } from "./language/choose_variant.ts";
import type { ServedLanguageModel } from "./language/served_language_model.ts";
import type { Limits } from "./limits.ts";
import type { LogEvent } from "./log.ts";
import type { Loadable } from "./served.ts";
import type { ServedClassifier } from "./served_classifier.ts";
import type { PageRoutes } from "./page/page_routes.ts";
import type { Routes } from "./service.ts";
import type { ContextStore } from "./stores/store.ts";

/** What the handler serves, and how. A classifier, a language model, or both. */
export interface HandlerOptions {
  /**
   * Predicts tables; each request learns in a fork of it. For a server that stays responsive while it computes, load
   * it on `openDevice({ offThread: true })`.
   */
  classifier?: Loadable<ServedClassifier>;
  /**
   * Generates text. A promise lets the server listen while it loads; a function is called again when the device of the
   * model was lost.
   */
  lm?: Loadable<ServedLanguageModel>;
  /** `variants` of `language/variants.ts`: caches and methods that requests to `lm` can choose. Default: those that it has. */
  variants?: Variants;
  /** Where fitted contexts are kept. Default: in memory. */
  store?: ContextStore;
  /** `csvBodies` of `csv.ts`: tables may come and go as CSV. Default: JSON alone. */
  csv?: CsvBodies;
  /** `page` of `page/mod.ts`: a page for people at `/`. Default: none. */
  page?: PageRoutes;
  /** `openapi` of `openapi.ts`: `GET /openapi.json`. Default: none. */
  openapi?: Routes;
  /** Bounds on requests. */
  limits?: Partial<Limits>;
  /** Tokens of which a request must carry one, as `Authorization: Bearer TOKEN`. Default: all may ask. */
  auth?: { tokens: readonly string[] };
  /** Pages of which origins may ask; `["*"]` for all. Default: none but its own. */
  cors?: { origins: readonly string[] };
  /** The name of the classifier in answers. Default "orion-msp". */
  model?: string;
  /** The name of the language model. Default "filigree". */
  lmModel?: string;
  /** Shuts the server down when it aborts; see `shutdown`. */
  signal?: AbortSignal;
  /** Gets an event for each answer; `jsonLog` writes lines of JSON. Default: no log. */
  log?: (event: LogEvent) => void;
  /** Gets errors that are the server's own, for a log; clients only see that something failed. */
  onError?: (error: unknown) => void;
}
