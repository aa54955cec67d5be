import { describe, test } from "node:test";
import { assert, assertEquals } from "../sdk/testing/assert.ts";
import { hostEnv } from "./env.ts";
import { probeFeatures } from "./probe.ts";

describe("probeFeatures()", () => {
  test("finds SIMD, relaxed SIMD and threads in this runtime", () => {
    assertEquals(probeFeatures(), { simd: true, relaxed: true, threads: true });
  });

  test("asks the runtime once", () => {
    let asked = 0;
    const env = { ...hostEnv, validate: () => (asked++, true) };
    assert(probeFeatures(env).threads);
    const before = asked;
    probeFeatures(env);
    assertEquals(asked, before);
  });

  test("finds nothing when the runtime refuses every module", () => {
    const env = { ...hostEnv, validate: () => false };
    assertEquals(probeFeatures(env), { simd: false, relaxed: false, threads: false });
  });

  test("finds nothing when WebAssembly is missing", () => {
    const env = { ...hostEnv, validate: (): boolean => WebAssembly.validate.call(undefined, 0 as never) };
    assertEquals(probeFeatures(env).simd, false);
  });

  test("finds no threads when memory cannot be shared or workers are missing", () => {
    assertEquals(probeFeatures({ ...hostEnv, canShare: () => false }).threads, false);
    assertEquals(probeFeatures({ ...hostEnv, canSpawn: () => false }).threads, false);
  });
});
