import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { readCsv } from "../../csv/mod.ts";
import { assert, assertEquals, assertMatch } from "../../testing/assert.ts";
import { listen } from "../_listen_test_server.ts";
import { createHandler, type ServedClassifier } from "../mod.ts";
import { page, type PageOptions } from "./mod.ts";

const classifier: ServedClassifier = {
  fork: () => {
    throw new Error("Not used");
  },
};

/** The page from a real server, which wants a token for all else. */
async function fetchPage(path: string, options?: PageOptions): Promise<{ response: Response; text: string }> {
  const app = createHandler({ classifier, page: page(options), auth: { tokens: ["secret"] } });
  const server = listen((request) => app.fetch(request));
  try {
    const response = await fetch(`${server.url}${path}`);
    return { response, text: await response.text() };
  } finally {
    await server.close();
  }
}

describe("page()", () => {
  test("the page is sent without a token, its API is not", async () => {
    const { response, text } = await fetchPage("/");
    assertEquals([response.status, response.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    assertMatch(text, /^<!doctype html>\s*<html lang="en">/);
    for (const path of ["/v1/models", "/metrics"]) {
      assertEquals((await fetchPage(path)).response.status, 401, path);
    }
  });

  test("the policy allows the page's own style and script, by their hashes, and nothing else", async () => {
    const { response, text } = await fetchPage("/");
    const policy = response.headers.get("content-security-policy")!;
    for (const [tag, directive] of [["style", "style-src"], ["script", "script-src"]] as const) {
      const inside = [...text.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, "g"))];
      assertEquals(inside.length, 1, tag);
      const hash = createHash("sha256").update(inside[0]![1]!).digest("base64");
      assert(policy.includes(`${directive} 'sha256-${hash}'`), `${tag}: ${policy}`);
    }
    assertMatch(policy, /^default-src 'none'; /);
    assertMatch(policy, /require-trusted-types-for 'script'/);
    assert(!/unsafe|https?:|\*/.test(policy), policy);
  });

  test("the page loads nothing from anywhere and makes no markup of texts", async () => {
    const { text } = await fetchPage("/");
    const [document] = text.split("<style>");
    assert(!/\s(?:src|href)="(?!data:,")/.test(document!), document);
    assert(
      !/\s(?:src|href|on\w+|style)="/.test(text.slice(text.indexOf("<body>"), text.lastIndexOf("<script"))),
    );
    assert(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(/.test(text));
  });

  test("prompts are text, whatever they say", async () => {
    const hostile = `"><script>alert(1)</script> & '$&' $\``;
    const { text } = await fetchPage("/", { prompts: [hostile] });
    const [, content] = /<meta name="filigree" content="([^"]*)"/.exec(text)!;
    assert(!/[<>"']/.test(content!), content);
    const plain = content!.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
    assertEquals(JSON.parse(plain), { classifier: true, lm: false, prompts: [hostile] });
  });

  test("samples are the tables of the examples", async () => {
    for (const name of ["iris", "wine"]) {
      const { response, text } = await fetchPage(`/samples/${name}.csv`);
      assertEquals([response.status, response.headers.get("content-type")], [200, "text/csv; charset=utf-8"]);
      const file = new URL(`../../../examples/data/${name}.csv`, import.meta.url);
      assertEquals(readCsv(text), readCsv(await readFile(file)));
    }
    assertEquals((await fetchPage("/samples/other.csv")).response.status, 401);
  });

  test("a handler without a language model has no attention to show", async () => {
    const app = createHandler({ classifier, page: page() });
    assertEquals((await app.request("/v1/filigree/attention", { method: "POST" })).status, 404);
  });

  test("a handler without the page has nothing at its path", async () => {
    assertEquals((await createHandler({ classifier }).request("/")).status, 404);
  });
});
