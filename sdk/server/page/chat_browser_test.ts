/// <reference lib="dom" />
import { test } from "node:test";
import { assertEquals, assertMatch } from "../../testing/assert.ts";
import { chat, describePage, PROMPT, said } from "./_visit_test_page.ts";

describePage("the page's chat in Chromium", (visit) => {
  test("the model answers in the chat, and the page draws what its heads read", async () => {
    await visit(async (page) => {
      await page.getByRole("tab", { name: "Chat" }).click();
      await page.getByRole("button", { name: PROMPT }).click();
      await page.getByRole("button", { name: "Send" }).click();
      await page.waitForSelector(".heads");
      assertEquals(await page.locator("#messages .assistant p").innerText(), "217");
      assertMatch(await page.innerText("#chat-status"), /20 tokens read, 1 written; keys and values take/);
      assertEquals(await page.locator(".heads input").count(), 16);
      // The head that is shown first is the one that found the answer.
      assertMatch(
        await page.locator(".heads input:checked").getAttribute("aria-label") ?? "",
        /most of 217/,
      );
      assertMatch(await page.innerText(".read-words"), /Read all 20 tokens\.\s+217/);
      await page.getByRole("radio", { name: /^Layer 1, head 3/ }).check();
      assertMatch(await page.innerText(".read-words"), /20 tokens\.\s+Mira/);

      // The chat goes on; what was told before is still known.
      await page.getByLabel("Message", { exact: true }).fill("ask Tomi");
      await page.getByRole("button", { name: "Send" }).click();
      await page.waitForFunction(() => document.querySelectorAll("#messages .assistant").length === 2);
      await page.waitForSelector(".heads");
      assertEquals(await page.locator("#messages .assistant p").allInnerTexts(), ["217", "305"]);
      await page.getByRole("button", { name: "New chat" }).click();
      assertEquals(await page.locator("#messages li").count(), 0);
    });
  });

  test("every token of an answer can be looked at, by the head that was chosen", async () => {
    await visit(async (page) => {
      await chat(page, "note Mira locker 305 442 . the river ran ask Mira locker");
      await page.getByRole("radio", { name: /^Layer 4, head 2/ }).check();
      await page.getByRole("radio", { name: "442", exact: true }).check();
      await said(page, "Read all 14 tokens.", ".read-words");
      assertEquals(await page.locator(".read-text span").allInnerTexts().then((all) => all.at(-1)), "305");
      assertMatch(
        await page.locator(".heads input:checked").getAttribute("aria-label") ?? "",
        /^Layer 4, head 2/,
      );
    });
  });

  test("the chat shows choices of the server and the refusals of what cannot be", async () => {
    await visit(
      async (page) => {
        await page.getByRole("tab", { name: "Chat" }).click();
        await page.getByText("Settings").click();
        await page.getByLabel("Keys and values kept as").selectOption("int8");
        await chat(page, PROMPT);
        assertEquals(await page.locator("#messages .assistant p").innerText(), "217");
        await page.getByLabel("Message", { exact: true }).fill(`<b>hello</b> ${"again ".repeat(400)}`);
        await page.getByRole("button", { name: "Send" }).click();
        await page.waitForSelector("#chat-status.error");
        assertMatch(await page.innerText("#chat-status"), /longer than 2000 bytes/);
        assertEquals(await page.locator("#messages b").count(), 0);
        assertMatch(await page.locator("#messages .user").last().innerText(), /<b>hello<\/b>/);
      },
      {},
      { limits: { bodyBytes: 2000 } },
    );
  });
});
