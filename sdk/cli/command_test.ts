import { describe, test } from "node:test";
import { assertEquals, assertThrows } from "../testing/assert.ts";
import { errorsOf } from "./_errors_test_console.ts";
import { deviceOptions, runCommand, wholeOption, wordOption } from "./command.ts";

describe("runCommand()", () => {
  test("tells by its exit code whether arguments or the work were wrong", async () => {
    const command = (failure?: Error) => ({
      help: "The help",
      read: ([text = "1"]: readonly string[]) => ({ n: wholeOption("n", text), help: false }),
      run: () => failure ? Promise.reject(failure) : Promise.resolve(),
    });
    const lines = await errorsOf(async () => {
      assertEquals(await runCommand([], command()), 0);
      assertEquals(await runCommand([], command(new Error("It broke"))), 1);
      assertEquals(await runCommand(["x"], command()), 2);
    });
    assertEquals(lines, ["error: It broke", "Cannot use --n x: expected a whole number from 1\n\nThe help"]);
  });
});

describe("values of options", () => {
  test("wholeOption() takes whole numbers that are large enough, and nothing else", () => {
    assertEquals([wholeOption("n", "7"), wholeOption("n", "0", 0)], [7, 0]);
    for (const text of ["", "-1", "1.5", "many", "Infinity"]) {
      assertThrows(() => wholeOption("n", text, 0), RangeError, "expected a whole number from 0");
    }
    assertThrows(() => wholeOption("n", "0"), RangeError, "Cannot use --n 0: expected a whole number from 1");
  });

  test("wordOption() takes the words that are known", () => {
    assertEquals(wordOption("data", "video", ["structured", "video"]), "video");
    assertThrows(
      () => wordOption("data", "audio", ["structured", "video"]),
      RangeError,
      "Cannot use --data audio: expected structured, video",
    );
  });

  test("deviceOptions() leaves out what is not given", () => {
    assertEquals(deviceOptions({}), {});
    assertEquals(deviceOptions({ device: "wasm", threads: "2" }), { prefer: "wasm", threads: 2 });
    assertThrows(() => deviceOptions({ device: "abacus" }), RangeError, "expected webgpu, wasm, reference");
    assertThrows(() => deviceOptions({ threads: "0" }), RangeError, "Cannot use --threads 0");
  });
});
