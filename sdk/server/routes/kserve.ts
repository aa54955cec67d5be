import type { Served } from "../served.ts";
import type { ServedClassifier } from "../served_classifier.ts";
import type { Routes } from "../service.ts";
import type { ContextStore } from "../stores/store.ts";

/**
 * The same under the names of KServe's protocol: `/v2`.
 *
 * @param _classifier The model.
 * @param _options Where contexts are kept.
 * @returns The routes.
 */
export function kserveRoutes(
  _classifier: Served<ServedClassifier>,
  _options: { store?: ContextStore },
): Routes {
  return (): void => {};
}
