/**
 * The assertions of Deno's standard library, typed, for tests that run in Deno and in Bun.
 *
 * @module
 */

// @ts-types="./deno_std_assert.d.ts"
export * from "deno-std/assert/mod.js";
