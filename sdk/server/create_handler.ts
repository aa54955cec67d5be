import { Hono } from "hono/tiny";
import { createContexts } from "./contexts/contexts.ts";
import { createService } from "./create_service.ts";
import type { HandlerOptions } from "./handler_options.ts";
import { createLifecycle, type Lifecycle } from "./lifecycle.ts";
import { withDefaults } from "./limits.ts";
import { createMetrics } from "./metrics.ts";
import { auth } from "./middlewares/auth.ts";
import { observe, refuse } from "./middlewares/observe.ts";
import { origins } from "./middlewares/origins.ts";
import { otherMethods } from "./middlewares/other_methods.ts";
import { secureHeaders } from "./middlewares/secure_headers.ts";
import { createQueue } from "./queue.ts";
import { stateOf } from "./request_state.ts";
import { contextRoutes } from "./routes/contexts.ts";
import { healthRoutes, type OnDevice } from "./routes/health.ts";
import { kserveRoutes } from "./routes/kserve.ts";
import { languageRoutes } from "./routes/language.ts";
import { tabularRoutes } from "./routes/tabular.ts";
import { serve, type Served } from "./served.ts";
import type { Routes } from "./service.ts";
import { clientClosed, isOwnFault, toApiError } from "./to_api_error.ts";

/** The lifecycle of each handler, and how long its requests may go on. */
const lifecycles = new WeakMap<Hono, { lifecycle: Lifecycle; graceMs: number }>();

/**
 * Makes an HTTP handler that predicts tables, generates text, or both.
 *
 * Requests are computed one at a time, in order. A client that goes away stops its computation.
 *
 * @param options What to serve.
 * @returns A Hono application; `app.fetch` goes to `Deno.serve` or to Bun's default export.
 * @throws {TypeError} If there is nothing to serve.
 * @throws {RangeError} If a limit, a token or an origin makes no sense.
 */
export function createHandler(options: HandlerOptions): Hono {
  const { store, csv, log = () => {}, onError = () => {}, signal } = options;
  const { lmModel = "filigree" } = options;
  const limits = withDefaults(options.limits);
  const classifier = options.classifier && serve(options.classifier, onError);
  const lm = options.lm && serve(options.lm, onError);
  if (!classifier && !lm) {
    throw new TypeError("Cannot create the handler: expected a classifier, a language model (lm), or both");
  }
  const models: Served<OnDevice>[] = [classifier, lm].filter((model) => model !== undefined);
  const lifecycle = createLifecycle();
  const queue = createQueue(limits.waiting);
  const metrics = createMetrics();
  metrics.gauge("queue_waiting", "Requests that wait for their turn.", () => queue.waiting);
  let lost = false;
  const service = createService({
    limits,
    model: options.model ?? "orion-msp",
    metrics,
    log,
    onError,
    queue,
    lifecycle,
    computed(refusal): void {
      // What the client did says nothing of the device.
      if (refusal && refusal.code !== "device_lost") return;
      lost = refusal !== undefined && !models.map((model) => model.reload()).some(Boolean);
    },
  });

  const app = new Hono();
  app.use(observe(service, lifecycle));
  app.use(secureHeaders());
  if (options.cors) app.use(origins(options.cors.origins));
  if (options.auth) app.use(auth(options.auth.tokens, service));
  app.notFound(otherMethods(app));
  app.onError((error, c) => {
    // Reading a body fails with an engine's own error when the client goes away.
    const gone = c.req.raw.signal.aborted && error.name !== "ApiError";
    const refusal = gone ? clientClosed(error) : toApiError(error);
    if (isOwnFault(refusal) && refusal.cause) onError(refusal.cause);
    return refuse(stateOf(c), refusal);
  });

  const contexts = classifier && createContexts(classifier, limits, store);
  const groups: (Routes | undefined)[] = [
    healthRoutes({ models, isLost: () => lost, lifecycle }),
    classifier && tabularRoutes(classifier, csv),
    contexts && contextRoutes(contexts, csv),
    contexts && kserveRoutes(contexts),
    lm && ((app) => languageRoutes(lm, options.variants)(app, { ...service, model: lmModel })),
    options.page &&
    ((app, own) =>
      options.page!(app, own, { classifier: !!classifier, lm, lmModel, variants: options.variants })),
    options.openapi,
  ];
  for (const group of groups) group?.(app, service);

  lifecycles.set(app, { lifecycle, graceMs: limits.graceMs });
  const stop = (): void => void shutdown(app);
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  return app;
}

/**
 * Shuts a handler down: new requests are refused with 503 and `Connection: close`, those that run may go on for
 * `limits.graceMs`, then they are cancelled. Aborting the option `signal` does the same.
 *
 * @param app What `createHandler` made.
 * @returns Resolves when the last request ended; then the runtime's server can be closed.
 * @throws {TypeError} If it is another application.
 * @example
 * ```ts ignore
 * const server = Deno.serve(app.fetch);
 * Deno.addSignalListener("SIGTERM", async () => {
 *   await shutdown(app);
 *   await server.shutdown();
 * });
 * ```
 */
export function shutdown(app: Hono): Promise<void> {
  const entry = lifecycles.get(app);
  if (!entry) throw new TypeError("Cannot shut down: expected an application that createHandler() made");
  return entry.lifecycle.stop(entry.graceMs);
}
