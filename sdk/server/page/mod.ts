/**
 * A page for people at `/`: tables are dropped and predicted, and a language model is talked to and looked into.
 *
 * @module
 */
import { attentionRoutes } from "../routes/attention.ts";
import { html, samples, scriptHash, styleHash } from "./assets.js";
import type { PageRoutes } from "./page_routes.ts";

export type { PageModels, PageRoutes } from "./page_routes.ts";

/** Options of {@linkcode page}. */
export interface PageOptions {
  /** Texts to begin a chat with, offered as buttons. @default none */
  readonly prompts?: readonly string[];
}

/** Nothing from anywhere else; the script makes no markup of texts. */
const POLICY = [
  "default-src 'none'",
  `script-src '${scriptHash}'`,
  `style-src '${styleHash}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/**
 * Makes the page: `GET /`, `GET /samples/{name}.csv` (tables to try), and `POST /v1/filigree/attention`, which it draws. It is one document that loads nothing from elsewhere.
 *
 * The page itself is sent without a token, as browsers cannot send one; it asks for a token if the server wants one.
 *
 * @param options What it offers.
 * @returns The option `page` of `createHandler`.
 * @example
 * ```ts
 * import { openDevice } from "../../device/mod.ts";
 * import { OrionMSPClassifier } from "../../../tabular/mod.ts";
 * import { createHandler } from "../mod.ts";
 * import { page } from "./mod.ts";
 *
 * const classifier = await OrionMSPClassifier.load({ device: await openDevice({ offThread: true }) });
 * const app = createHandler({ classifier, page: page() });
 * ```
 */
export function page({ prompts = [] }: PageOptions = {}): PageRoutes {
  return (app, service, models): void => {
    const { classifier, lm } = models;
    const setup = JSON.stringify({ classifier, lm: lm !== undefined, prompts });
    const document = html.replace('content="{}"', () => `content="${escapeText(setup)}"`);
    const headers = {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": POLICY,
      "cross-origin-opener-policy": "same-origin",
    };
    service.open.add("/");
    app.get("/", (c) => c.body(document, 200, headers));
    for (const [name, csv] of Object.entries(samples)) {
      service.open.add(`/samples/${name}.csv`);
      app.get(`/samples/${name}.csv`, (c) => c.body(csv, 200, { "content-type": "text/csv; charset=utf-8" }));
    }
    attentionRoutes()(app, service, models);
  };
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
