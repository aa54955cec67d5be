import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { assertEquals, assertRejects } from "../../testing/assert.ts";
import { storeCases } from "./_store_test_cases.ts";
import { directoryStore } from "./directory.ts";
import { StoreFullError, StoreReadOnlyError } from "./store.ts";

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "filigree-store-"));
  try {
    await run(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

storeCases("directoryStore()", async () => {
  const path = await mkdtemp(join(tmpdir(), "filigree-store-"));
  const inside = join(path, "made at the first write");
  return {
    store: directoryStore(inside),
    again: directoryStore(pathToFileURL(inside)),
    close: () => rm(path, { recursive: true, force: true }),
  };
});

const context = { meta: { a: 1 }, bytes: new Uint8Array(200_000).fill(7) };

const mountSmall = (path: string): void => {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", path], { stdio: "ignore" });
};

/** Why no small file system can be mounted here. */
function noMounts(): string | false {
  const path = mkdtempSync(join(tmpdir(), "filigree-store-"));
  try {
    mountSmall(path);
    execFileSync("umount", [path]);
    return false;
  } catch {
    return "only root may mount a small file system";
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

describe("directoryStore() in trouble", () => {
  test(
    "put() on a full disk throws StoreFullError and leaves nothing behind",
    { skip: noMounts() },
    async () => {
      await inDirectory(async (path) => {
        mountSmall(path);
        try {
          const store = directoryStore(path);
          await store.put("ctx_1", { meta: 1, bytes: new Uint8Array(10) });
          await assertRejects(() => store.put("ctx_2", context), StoreFullError, "the disk is full (ENOSPC)");
          assertEquals(await readdir(path), ["ctx_1.context"]);
          assertEquals([await store.describe("ctx_1"), await store.get("ctx_2")], [1, undefined]);
          assertEquals(await store.delete("ctx_1"), true);
        } finally {
          execFileSync("umount", [path]);
        }
      });
    },
  );

  // Nobody may make files there, not even root.
  const skip = process.platform === "linux" && existsSync("/sys/kernel") ? false : "needs Linux with /sys";
  test("put() where nothing may be written throws StoreReadOnlyError", { skip }, async () => {
    await assertRejects(() => directoryStore("/sys/kernel").put("ctx_1", context), StoreReadOnlyError);
    await assertRejects(() => directoryStore("/sys/filigree").put("ctx_1", context), StoreReadOnlyError);
    assertEquals(await directoryStore("/sys/kernel").get("ctx_1"), undefined);
  });

  test("an id that is not one never names a file", async () => {
    await inDirectory(async (path) => {
      const store = directoryStore(path);
      for (const id of ["../x", "a/b", "", ".", "a\0", "C:x"]) {
        await assertRejects(() => Promise.resolve().then(() => store.get(id)), RangeError);
        await assertRejects(() => store.put(id, context), RangeError);
      }
      assertEquals(await readdir(path), []);
    });
  });

  test("get() and describe() of a file that was cut off throw", async () => {
    await inDirectory(async (path) => {
      const store = directoryStore(path);
      await writeFile(join(path, "ctx_1.context"), Uint8Array.of(200, 0, 0, 0, 123));
      await assertRejects(() => store.get("ctx_1"), SyntaxError);
      await assertRejects(() => store.describe("ctx_1"), SyntaxError);
      await writeFile(join(path, "ctx_1.context"), new Uint8Array(0));
      await assertRejects(() => store.describe("ctx_1"), SyntaxError);
    });
  });
});
