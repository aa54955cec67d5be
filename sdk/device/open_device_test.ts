import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../testing/assert.ts";
import type { DeviceKind } from "./backend.ts";
import type { DeviceReport } from "./device.ts";
import { openDevice } from "./open_device.ts";

describe("openDevice()", () => {
  test("opens the reference device when it is asked for", async () => {
    let reported: DeviceReport | undefined;
    const device = await openDevice({ prefer: "reference", onReport: (report) => reported = report });
    assertEquals(device.kind, "reference");
    assertEquals(reported?.tried.map(({ kind, ok }) => [kind, ok]), [["reference", true]]);
    assert(reported!.tried[0]!.ms >= 0);
    device.dispose();
  });

  test("never opens the reference device by itself", async () => {
    const attempts = await openDevice().then((device) => {
      device.dispose();
      return device.report.tried;
    }, () => []);
    assertEquals(attempts.filter(({ kind }) => kind === "reference"), []);
  });

  test("reports why webgpu was refused", async () => {
    const outcome = await openDevice({ prefer: "webgpu" }).catch((error: Error) => error);
    if (outcome instanceof Error) {
      assert(outcome.message.includes("webgpu: "));
      return;
    }
    const { tried } = outcome.report;
    assertEquals([tried[0]?.kind, tried[0]?.ok, outcome.kind, tried.at(-1)?.ok], [
      "webgpu",
      false,
      "wasm",
      true,
    ]);
    outcome.dispose();
  });

  test("refuses a kind that does not exist", async () => {
    await assertRejects(() => openDevice({ prefer: "toString" as DeviceKind }), TypeError, "expected webgpu");
  });

  test("throws the reason of an aborted signal", async () => {
    const reason = new Error("no time");
    const error = await assertRejects(() => openDevice({ signal: AbortSignal.abort(reason) }), Error);
    assertStrictEquals(error, reason);
  });

  test("passes on an error that onReport throws", async () => {
    const onReport = (): void => {
      throw new RangeError("mine");
    };
    await assertRejects(() => openDevice({ prefer: "reference", onReport }), RangeError, "mine");
  });
});
