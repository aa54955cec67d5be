/// <reference lib="dom" />
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { existsSync } from "node:fs";
import { after, before, describe } from "node:test";
import { OrionMSPClassifier } from "../../../tabular/mod.ts";
import { type Device, openDevice } from "../../device/mod.ts";
import { CausalLM } from "../../lm/mod.ts";
import { assertEquals } from "../../testing/assert.ts";
import { listen, type Listening } from "../_listen_test_server.ts";
import { variants } from "../language/variants.ts";
import { createHandler, type HandlerOptions } from "../mod.ts";
import { page as makePage } from "./mod.ts";

const CHROMIUM = "/usr/bin/chromium";

/** A text whose question the recall model answers: 217. */
export const PROMPT = "note Mira 217 . the river ran by night note Tomi 305 . and it was cold ask Mira";

/** Runs steps on a new page of a new server; troubles in the page, violations of its policy among them, fail the test. */
export type Visit = (
  steps: (page: Page) => Promise<void>,
  options?: BrowserContextOptions,
  handler?: HandlerOptions,
) => Promise<void>;

/**
 * Describes the page in a browser, with real models behind it.
 *
 * The page runs in Chromium, so one runtime that drives it is enough; without Chromium there is nothing to test.
 *
 * @param name What is described.
 * @param tests Defines the tests.
 */
export function describePage(name: string, tests: (visit: Visit) => void): void {
  if (!existsSync(CHROMIUM) || !("Deno" in globalThis)) return;
  describe(name, () => {
    let device: Device;
    let models: Required<Pick<HandlerOptions, "classifier" | "lm">>;
    let browser: Browser;
    before(async () => {
      device = await openDevice({ prefer: "wasm", threads: 1 });
      const lm = await CausalLM.load(new URL("../../lm/recall", import.meta.url), { device });
      models = { classifier: await OrionMSPClassifier.load({ device, nEstimators: 1 }), lm };
      browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    });
    after(async () => {
      await browser.close();
      device.dispose();
    });

    const serve = (options: HandlerOptions): Listening => {
      const page = makePage({ prompts: [PROMPT] });
      const app = createHandler({ ...models, lmModel: "recall", variants: variants(), page, ...options });
      return listen((request) => app.fetch(request));
    };
    tests(async (steps, options = {}, handler = {}) => {
      const server = serve(handler);
      const context = await browser.newContext(options);
      const troubles: string[] = [];
      try {
        const page = await context.newPage();
        page.setDefaultTimeout(30_000);
        page.on("pageerror", (error) => troubles.push(String(error)));
        page.on("console", (message) => {
          // Refusals of the server are shown in the page, and logged by the browser.
          if (message.type() !== "error" || message.text().startsWith("Failed to load")) return;
          troubles.push(message.text());
        });
        await page.goto(server.url);
        await steps(page);
        assertEquals(troubles, []);
      } finally {
        await context.close();
        await server.close();
      }
    });
  });
}

/** Predicts the table that is chosen. */
export async function predict(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Predict", exact: true }).click();
  await page.waitForSelector(".accuracy");
}

/** The accuracy that the page shows, in percent. */
export async function accuracyOf(page: Page): Promise<number> {
  return parseFloat(await page.innerText(".accuracy strong"));
}

/** Waits until the page says something that begins so. */
export async function said(page: Page, begin: string, line = "#status"): Promise<void> {
  await page.waitForFunction(
    ([line, begin]) => document.querySelector(line!)?.textContent?.startsWith(begin!),
    [line, begin],
  );
}

/** Asks the model in the second tab. */
export async function chat(page: Page, text: string): Promise<void> {
  await page.getByRole("tab", { name: "Chat" }).click();
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForSelector(".heads");
}
