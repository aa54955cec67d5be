import { type Browser, chromium, type Page } from "playwright-core";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { assert, assertEquals, assertMatch } from "../../sdk/testing/assert.ts";
import { type PageServer, servePage } from "./serve.ts";

const CHROMIUM = "/usr/bin/chromium";
/** SwiftShader, which every Chromium carries, so that the tests need no GPU. */
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
/** Software compiles the kernels for some seconds. */
const PATIENCE = 110_000;

describe("examples/browser", () => {
  let server: PageServer;
  let browser: Browser | undefined;
  before(async () => {
    server = await servePage(0);
  });
  after(async () => {
    await browser?.close();
    await server.close();
  });

  /** Opens the page in a new browser; an error in the page fails the test. */
  const open = async (args: readonly string[], errors: string[]): Promise<Page> => {
    await browser?.close();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...args] });
    const page = await browser.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(server.url);
    await page.waitForSelector("#predict:enabled");
    return page;
  };
  const predict = async (page: Page): Promise<void> => {
    await page.selectOption("#members", "1");
    await page.click("#predict");
    await page.waitForSelector("#stop", { state: "hidden", timeout: PATIENCE });
  };
  const accuracyOf = async (page: Page, card: string): Promise<number> =>
    parseFloat(await page.innerText(`${card} .accuracy strong`)) / 100;

  test("the server sends an isolated page and its scripts, and nothing else", async () => {
    const page = await fetch(server.url);
    assertEquals([page.status, page.headers.get("cross-origin-opener-policy")], [200, "same-origin"]);
    assertEquals(page.headers.get("cross-origin-embedder-policy"), "require-corp");
    const sources = [...(await page.text()).matchAll(/(?:src|href)="(\w+\.\w+)"/g)].map(([, path]) => path);
    assertEquals(sources.toSorted(), ["page.js", "style.css"]);
    for (const path of [...sources, "worker/device_worker.js", "data/iris.csv"]) {
      const response = await fetch(server.url + path);
      await response.body?.cancel();
      assertEquals([path, response.status], [path, 200]);
    }
    const secret = await fetch(`${server.url}data/%2e%2e/%2e%2e/package.json`);
    assertEquals([secret.status, await secret.text()], [404, "There is no such page"]);
  });

  // The page runs in Chromium, so one runtime that drives it is enough.
  if (!existsSync(CHROMIUM) || !("Deno" in globalThis)) return;

  test("the page predicts iris alike on WebGPU and on WASM", async () => {
    const errors: string[] = [];
    const page = await open(WEBGPU, errors);
    await predict(page);
    assertEquals(errors, []);
    assertEquals(await page.getAttribute("#webgpu", "data-kind"), "webgpu", await page.innerText("#webgpu"));
    assertEquals(await page.getAttribute("#wasm", "data-kind"), "wasm");
    assertMatch(await page.innerText("#wasm"), /threads/);
    for (const card of ["#webgpu", "#wasm"]) assert(await accuracyOf(page, card) > 0.9);
    assertMatch(await page.innerText("#agreement"), /the same class for every row/);
    const largest = Number(await page.getAttribute("#agreement", "data-largest"));
    assert(largest > 0 && largest < 1e-3, `the probabilities differ by ${largest}`);
  });

  test("the page computes on WASM and says why where WebGPU is missing", async () => {
    const errors: string[] = [];
    const page = await open([], errors);
    await predict(page);
    assertEquals(errors, []);
    assertEquals(await page.getAttribute("#webgpu", "data-kind"), "wasm");
    assertMatch(await page.innerText("#webgpu"), /WebGPU does not work here.*finds no adapter/);
    assert(await accuracyOf(page, "#webgpu") > 0.9);
    assertMatch(await page.innerText("#agreement"), /Nothing to compare/);

    // The same page, with a table of the user's and then one that cannot be read.
    const rows = Array.from({ length: 24 }, (_, i) => `${i % 2 ? "dry" : "wet"},${i % 2 + i / 100}`);
    const pick = (text: string): Promise<void> =>
      page.setInputFiles("#file", { name: "own.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
    await pick(`state,value\n${rows.join("\n")}`);
    await page.waitForSelector("#predict:enabled");
    await page.selectOption("#target", "state");
    await predict(page);
    assertEquals(await accuracyOf(page, "#wasm"), 1);
    await pick("a,b\n1\n");
    await page.waitForSelector("#status.error");
    assertMatch(await page.innerText("#status"), /own\.csv: .*line 2 has 1 cell/);
    assert(await page.isDisabled("#predict"));
    assertEquals(errors, []);
  });
});
