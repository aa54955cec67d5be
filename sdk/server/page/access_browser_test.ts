/// <reference lib="dom" />
import type { Page } from "playwright-core";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch } from "../../testing/assert.ts";
import { accuracyOf, chat, describePage, predict, PROMPT, said } from "./_visit_test_page.ts";
import { weakContrasts } from "./_weak_contrasts_test_script.ts";

const PHONE = { viewport: { width: 375, height: 740 } };

const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

describePage("the page for everyone, in Chromium", (visit) => {
  test("everything can be done with the keyboard alone", async () => {
    await visit(async (page) => {
      await page.waitForSelector("#predict:enabled");
      const focused = (): Promise<string | undefined> => page.evaluate(() => document.activeElement?.id);
      const tabTo = async (id: string): Promise<void> => {
        for (let i = 0; i < 12 && await focused() !== id; i++) await page.keyboard.press("Tab");
        assertEquals(await focused(), id);
      };
      await tabTo("table-tab");
      await page.keyboard.press("Tab");
      await page.keyboard.press("ArrowRight");
      await said(page, "wine.csv");
      await tabTo("target");
      await tabTo("predict");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".accuracy");
      assert(await accuracyOf(page) > 85);
      assertEquals(await focused(), "predict");
      for (let i = 0; i < 12 && await focused() !== "table-tab"; i++) {
        await page.keyboard.press("Shift+Tab");
      }
      await page.keyboard.press("ArrowRight");
      assertEquals(await page.getByRole("tabpanel").getAttribute("id"), "chat");
      await tabTo("message");
      await page.keyboard.type(PROMPT);
      await page.keyboard.press("Enter");
      await page.waitForSelector(".heads");
      for (let i = 0; i < 12; i++) {
        if (await page.evaluate(() => document.activeElement?.getAttribute("name")) === "head") break;
        await page.keyboard.press("Tab");
      }
      const shown = await page.locator(".heads input:checked").getAttribute("aria-label");
      await page.keyboard.press("ArrowRight");
      assert(await page.locator(".heads input:checked").getAttribute("aria-label") !== shown);
    });
  });

  test("a screen reader finds names, roles and what changes", async () => {
    await visit(async (page) => {
      await predict(page);
      for (const name of ["Predictions", "Confusion matrix"]) {
        assert(await page.getByRole("region", { name }).count() > 0, name);
      }
      await chat(page, PROMPT);
      assertEquals(await page.getByRole("log", { name: "Messages" }).getAttribute("aria-busy"), "false");
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLInputElement>("input, select, textarea, button")]
          .filter((control) =>
            !control.getAttribute("aria-label") && !control.textContent?.trim() &&
            ![...control.labels ?? []].some(({ textContent }) => textContent?.trim())
          ).map(({ outerHTML }) => outerHTML)
      );
      assertEquals(nameless, []);
      const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map(({ id }) => id));
      assertEquals(ids.length, new Set(ids).size);
    });
  });

  test("a phone's width is enough, without scrolling sideways", async () => {
    await visit(async (page) => {
      await predict(page);
      assertEquals(await overflow(page), 0);
      await chat(page, `${PROMPT} `.repeat(5));
      assertEquals(await overflow(page), 0);
      // Fingers need room.
      const small = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>("button, select, .tables label")]
          .filter((control) => control.checkVisibility() && control.offsetHeight < 40).map(({ id }) => id)
      );
      assertEquals(small, []);
    }, PHONE);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`texts can be read in the ${colorScheme}`, async () => {
      await visit(async (page) => {
        await predict(page);
        assertEquals(await page.evaluate(weakContrasts), []);
        await chat(page, PROMPT);
        assertEquals(await page.evaluate(weakContrasts), []);
        const [red = NaN] = await page.evaluate(() =>
          getComputedStyle(document.body).backgroundColor.match(/\d+/g)!.map(Number)
        );
        assertEquals(red < 128, colorScheme === "dark");
      }, { colorScheme });
    });
  }

  test("a server that wants a token is asked with the one that is typed in", async () => {
    await visit(
      async (page) => {
        await page.getByLabel("Access token").fill("wrong");
        await page.getByRole("button", { name: "Use" }).click();
        await page.getByRole("button", { name: "Predict", exact: true }).click();
        await page.waitForSelector("#status.error");
        assertMatch(await page.innerText("#status"), /token is not known/);
        await page.getByLabel("Access token").fill("open-sesame");
        await page.getByRole("button", { name: "Use" }).click();
        await predict(page);
        assert(await accuracyOf(page) > 90);
      },
      {},
      { auth: { tokens: ["open-sesame"] } },
    );
  });

  // The pictures of the docs are made with FILIGREE_SCREENSHOTS=1.
  if (process.env["FILIGREE_SCREENSHOTS"]) {
    const pathOf = (name: string): string =>
      fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));
    test("pictures for the docs are made", async () => {
      await visit(async (page) => {
        await predict(page);
        await page.screenshot({ path: pathOf("page-table.png") });
      }, { viewport: { width: 900, height: 1100 } });
      await visit(async (page) => {
        await chat(page, PROMPT);
        await page.screenshot({ path: pathOf("page-chat.png"), fullPage: true });
      }, { viewport: { width: 900, height: 800 }, colorScheme: "dark" });
    });
  }
});
