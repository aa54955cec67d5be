import { describe, test } from "node:test";
import { assert, assertEquals } from "../../testing/assert.ts";
import { figure } from "../_events_test_routes.ts";
import { endless, openRecall, QUESTION, serveFor } from "../language/_recall_test_server.ts";

describe("figures of a language model", () => {
  test("count tokens of prompts and answers, those of streams that were left too, and bytes of keys and values", async () => {
    const lm = await openRecall();
    const server = serveFor({ lm: endless(lm) });
    try {
      const ask = { model: "recall", prompt: QUESTION };
      const { usage } = await server.client.completions.create({ ...ask, max_tokens: 5 });
      assertEquals(await figure(server.url, 'tokens_total\\{kind="prompt"\\}'), usage!.prompt_tokens);
      assertEquals(await figure(server.url, 'tokens_total\\{kind="completion"\\}'), 5);
      assert(await figure(server.url, "kv_bytes") > 0);
      assert(await figure(server.url, "device_bytes") > 1e6);
      let events = 0;
      for await (
        const _ of await server.client.completions.create({ ...ask, max_tokens: 400, stream: true })
      ) {
        if (++events === 3) break;
      }
      for (let i = 0; await figure(server.url, "requests_active") > 1; i++) assert(i < 1000);
      const total = await figure(server.url, 'tokens_total\\{kind="completion"\\}');
      assert(total >= 8 && total < 405, `${total}`);
    } finally {
      await server.close();
      lm.device.dispose();
    }
  });
});
