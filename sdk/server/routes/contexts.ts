import type { CsvBodies } from "../csv.ts";
import type { Served } from "../served.ts";
import type { ServedClassifier } from "../served_classifier.ts";
import type { Routes } from "../service.ts";
import type { ContextStore } from "../stores/store.ts";

/**
 * Keeps fitted contexts: `/v1/tabular/contexts`.
 *
 * @param _classifier The model.
 * @param _options Where contexts are kept, and CSV.
 * @returns The routes.
 */
export function contextRoutes(
  _classifier: Served<ServedClassifier>,
  _options: { store?: ContextStore; csv?: CsvBodies },
): Routes {
  return (): void => {};
}
