/// <reference lib="dom" />
import type { Page } from "playwright-core";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { readCsv } from "../../csv/mod.ts";
import { assert, assertEquals, assertMatch } from "../../testing/assert.ts";
import { accuracyOf, describePage, predict, said } from "./_visit_test_page.ts";

const upload = (page: Page, name: string, text: string): Promise<void> =>
  page.setInputFiles("#file", { name, mimeType: "text/csv", buffer: Buffer.from(text) });

describePage("the page's tables in Chromium", (visit) => {
  test("a sample is predicted, measured, shown and downloaded", async () => {
    await visit(async (page) => {
      await predict(page);
      assert(await accuracyOf(page) > 90);
      const counts = (await page.locator(".matrix td").allInnerTexts()).filter((text) => text !== "").map(
        Number,
      );
      const checked = Number(/of (\d+)/.exec(await page.innerText(".accuracy"))![1]);
      assertEquals([counts.length, counts.reduce((sum, n) => sum + n, 0)], [9, checked]);
      const shares = await page.locator(".rows tbody tr").first().locator(".value").allInnerTexts();
      assertEquals(Math.round(shares.reduce((sum, text) => sum + parseFloat(text), 0)), 100);
      const before = await page.locator(".rows tbody tr").count();
      await page.getByRole("button", { name: /^Show \d+ more/ }).click();
      assert(await page.locator(".rows tbody tr").count() > before);

      const coming = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download as CSV" }).click();
      const download = await coming;
      assertEquals(download.suggestedFilename(), "iris-predicted.csv");
      const { columns, rows } = readCsv(await readFile(await download.path()));
      assertEquals(columns.slice(4, 7), ["species", "predicted species", "probability setosa"]);
      assertEquals(rows.length, checked);
    });
  });

  test("a table that is dropped is predicted, and what it says is text", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    const rows = Array.from(
      { length: 24 },
      (_, i) => `${i % 2 ? "dry" : hostile},${i % 2 + i / 100},${i % 3}`,
    );
    const csv = `${hostile},value,third\n${rows.join("\n")}`;
    await visit(async (page) => {
      await page.waitForSelector("#predict:enabled");
      await page.evaluate((text) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], "<b>own.csv", { type: "text/csv" }));
        document.body.dispatchEvent(
          new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }),
        );
      }, csv);
      await page.waitForFunction(() => document.querySelector("#own")?.textContent === "<b>own.csv");
      await page.getByLabel("Column to predict").selectOption({ label: hostile });
      await predict(page);
      assertEquals(await accuracyOf(page), 100);
      assertMatch(await page.innerText("#results"), /<img src=x onerror/);
      assertEquals(await page.locator("#results img, #results b, #form b, #form img").count(), 0);
    });
  });

  test("rows that lack the target are filled", async () => {
    const rows = Array.from(
      { length: 30 },
      (_, i) => `${i % 2 + i / 100},${i < 4 ? "" : i % 2 ? "odd" : "even"}`,
    );
    await visit(async (page) => {
      await upload(page, "gaps.csv", `value,kind\n${rows.join("\n")}`);
      await said(page, "gaps.csv");
      await predict(page);
      assertMatch(await page.innerText(".predictions"), /4 rows that lack "kind"/);
      assertEquals(await page.locator(".rows tbody tr").count(), 4);
    });
  });

  test("a table that cannot be used is refused with the reason", async () => {
    await visit(
      async (page) => {
        await upload(page, "own.csv", "a,b\n1\n");
        await page.waitForSelector("#status.error");
        assertMatch(await page.innerText("#status"), /own\.csv: .*line 2 has 1 cell/);
        assert(await page.isDisabled("#predict"));
        await page.getByRole("radio", { name: "Iris" }).check();
        await page.waitForSelector("#predict:enabled");
        await page.click("#predict");
        await page.waitForSelector("#status.error");
        assertMatch(await page.innerText("#status"), /at most 50/);
      },
      {},
      { limits: { trainRows: 50 } },
    );
  });

  test("a prediction that takes too long can be stopped", async () => {
    await visit(async (page) => {
      await page.waitForSelector("#predict:enabled");
      await page.route("**/v1/tabular/predict", () => {});
      await page.click("#predict");
      await page.getByRole("button", { name: "Stop" }).click();
      await said(page, "Stopped");
      assert(await page.isEnabled("#predict"));
    });
  });
});
