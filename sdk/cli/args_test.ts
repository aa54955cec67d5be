import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { readArgs, UsageError } from "./args.ts";

describe("readArgs()", () => {
  test("readArgs() reads every option", () => {
    const argv = "t.csv --target=x --test q.csv --out o.csv --save c --json --device wasm --threads 2".split(
      " ",
    );
    assertEquals(readArgs(argv), {
      train: "t.csv",
      target: "x",
      test: "q.csv",
      out: "o.csv",
      save: "c",
      json: true,
      help: false,
      device: "wasm",
      threads: 2,
    });
    assertEquals(readArgs([]), { json: false, help: false });
  });

  test("readArgs() lets --help win over other mistakes", () => {
    assertEquals(readArgs(["a.csv", "b.csv", "--help"]).help, true);
    assertEquals(readArgs(["-h"]).help, true);
  });

  for (
    const line of [
      "t.csv",
      "a.csv b.csv --target x",
      "--target x",
      "--out o.csv",
      "t.csv --target",
      "t.csv --target=",
      "t.csv --target x --target y",
      "t.csv --target x --nope",
      "t.csv --target x --device cpu",
      "t.csv --target x --threads 0",
      "t.csv --target x --threads 1.5",
      "t.csv --target x --threads many",
      "t.csv --target x --json=yes",
    ]
  ) {
    test(`readArgs() refuses "${line}"`, () => {
      assertThrows(() => readArgs(line.split(" ")), UsageError);
    });
  }
});
