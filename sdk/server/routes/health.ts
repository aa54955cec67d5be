import { ApiError } from "../api_error.ts";
import type { Lifecycle } from "../lifecycle.ts";
import type { Served } from "../served.ts";
import type { Routes } from "../service.ts";

/** A model with what computes it. */
export interface OnDevice {
  /** What computes. */
  readonly device?: { readonly kind: string; readonly report?: { readonly bytes: number } };
}

/** What the health of a server depends on. */
export interface HealthParts {
  /** The models. */
  readonly models: readonly Served<OnDevice>[];
  /** Whether the last computation lost its device. */
  readonly isLost: () => boolean;
  /** Knows the requests that run. */
  readonly lifecycle: Lifecycle;
}

/**
 * Tells whether the server can answer, and its figures: `GET /health` and `GET /metrics`.
 *
 * @param parts What it depends on.
 * @returns The routes.
 */
export function healthRoutes({ models, isLost, lifecycle }: HealthParts): Routes {
  const devices = () => new Set(models.flatMap(({ value }) => value?.device ?? []));
  return (app, service): void => {
    service.open.add("/health");
    service.metrics.gauge("requests_active", "Requests that run now.", () => lifecycle.active);
    service.metrics.gauge("device_bytes", "Bytes of tensors and weights on the devices.", () => {
      let bytes = 0;
      for (const { report } of devices()) bytes += report?.bytes ?? 0;
      return bytes;
    });
    app.get("/health", (c) => {
      for (const model of models) model.get();
      if (isLost()) throw new ApiError(503, "device_lost", "What computes stopped working");
      const [device] = devices();
      return c.json({ status: "ok", model: service.model, device: device?.kind ?? null });
    });
    app.get("/metrics", (c) => {
      c.header("content-type", "text/plain; version=0.0.4; charset=utf-8");
      return c.body(service.metrics.render());
    });
  };
}
