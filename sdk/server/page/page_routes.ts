import type { Hono } from "hono/tiny";
import type { Variants } from "../language/choose_variant.ts";
import type { ServedLanguageModel } from "../language/served_language_model.ts";
import type { Served } from "../served.ts";
import type { Service } from "../service.ts";

/** What a handler serves, for its page. */
export interface PageModels {
  /** Whether there is a classifier. */
  readonly classifier: boolean;
  /** The language model, if there is one. */
  readonly lm?: Served<ServedLanguageModel> | undefined;
  /** The name of the language model. */
  readonly lmModel: string;
  /** What requests to the language model can choose. */
  readonly variants?: Variants | undefined;
}

/** Adds a page to a handler. */
export type PageRoutes = (app: Hono, service: Service, models: PageModels) => void;
