import { describe, test } from "node:test";
import { assertEquals } from "../sdk/testing/assert.ts";
import { findViolations } from "./check_direction.ts";

const violations = (file: string, source: string): number => findViolations({ [file]: source }).length;

describe("findViolations()", () => {
  test("findViolations() lets imports go down", () => {
    assertEquals(violations("tabular/a.ts", 'import { x } from "../sdk/device/mod.ts";'), 0);
    assertEquals(violations("sdk/server/a.ts", 'import { Hono } from "hono/tiny";\nimport "./b.ts";'), 0);
    assertEquals(violations("sdk/device/open_device.ts", 'await import("../../wasm/mod.ts")'), 0);
    assertEquals(violations("tabular/a.ts", 'import { readFile } from "node:fs/promises";'), 0);
    assertEquals(violations("gpu/a.ts", 'import source from "./a.wgsl" with { type: "text" };'), 0);
    assertEquals(
      violations("gpu/a.ts", 'import { openReference } from "../sdk/device/reference/mod.ts";'),
      0,
    );
  });

  test("findViolations() finds imports that go up or aside", () => {
    assertEquals(violations("sdk/device/a.ts", 'import { x } from "../../tabular/mod.ts";'), 1);
    assertEquals(violations("sdk/device/a.ts", 'const x = await import("../../wasm/mod.ts");'), 1);
    assertEquals(violations("tabular/a.ts", 'export type { X } from "../sdk/server/mod.ts";'), 1);
    assertEquals(violations("sdk/csv/a.ts", 'import {\n  x,\n} from "../cli/args.ts";'), 1);
  });

  test("findViolations() finds packages where none are allowed", () => {
    assertEquals(violations("tabular/a.ts", 'import { z } from "zod";'), 1);
    assertEquals(violations("sdk/device/a.ts", 'import x from "npm:left-pad@1";'), 1);
    assertEquals(violations("gpu/a.ts", 'import x from "@left/pad";'), 1);
    assertEquals(
      violations("gpu/a.ts", 'import type {} from "@webgpu/types";\nimport "npm:bun-webgpu@0.1.7";'),
      0,
    );
    assertEquals(violations("tabular/a_test.ts", 'import fc from "fast-check";'), 0);
  });

  test("findViolations() keeps test helpers out of the product", () => {
    const source = 'import { assert } from "../testing/assert.ts";';
    assertEquals([violations("sdk/csv/a.ts", source), violations("sdk/csv/a_test.ts", source)], [1, 0]);
  });

  test("findViolations() ignores comments and finds folders without a rule", () => {
    assertEquals(violations("sdk/csv/a.ts", '/** import { x } from "../cli/a.ts"; */\n// from "zod"'), 0);
    assertEquals(violations("elsewhere/a.ts", ""), 1);
  });
});
