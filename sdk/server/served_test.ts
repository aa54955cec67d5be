import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../testing/assert.ts";
import { ApiError } from "./api_error.ts";
import { serve } from "./served.ts";

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("serve()", () => {
  test("gives a model that is there already", () => {
    const model = { name: "m" };
    const served = serve(model);
    assertEquals([served.state, served.get() === model, served.reload()], ["ready", true, false]);
  });

  test("refuses with 503 until a promise resolves", async () => {
    const model = { name: "m" };
    const loading = Promise.withResolvers<typeof model>();
    const served = serve(loading.promise);
    const error = assertThrows(() => served.get(), ApiError, "still being loaded");
    assertEquals([error.status, error.code, error.headers["retry-after"]], [503, "loading", "2"]);
    loading.resolve(model);
    await settle();
    assertEquals([served.state, served.get()], ["ready", model]);
  });

  test("refuses with 503 when loading failed, and tells why to the server alone", async () => {
    const errors: unknown[] = [];
    const failure = new Error("secret path");
    const served = serve(Promise.reject(failure), (error) => errors.push(error));
    await settle();
    const error = assertThrows(() => served.get(), ApiError, "could not be loaded");
    assertEquals([served.state, error.status, error.code, errors], ["failed", 503, "load_failed", [failure]]);
  });

  test("loads again with a function, and lets go of the model before", async () => {
    let loads = 0;
    const disposed: number[] = [];
    const load = () => {
      const id = ++loads;
      return Promise.resolve({ id, dispose: () => void disposed.push(id) });
    };
    const served = serve<{ id: number }>(load);
    await settle();
    assertEquals(served.get().id, 1);
    assert(served.reload());
    assertEquals([served.state, disposed], ["loading", [1]]);
    await settle();
    assertEquals(served.get().id, 2);
  });
});
