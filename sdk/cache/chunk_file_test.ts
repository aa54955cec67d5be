import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { assert, assertEquals, assertRejects } from "../testing/assert.ts";
import { random } from "../testing/random.ts";
import { FilePool, OffloadError, type RandomFile } from "./chunk_file.ts";
import { openOffloadFile } from "./open_offload_file.ts";

/** A file in memory that misbehaves on demand. */
class FakeFile implements RandomFile {
  bytes = new Uint8Array(0);
  reads = 0;
  closed = 0;
  /** Bytes that the disk takes. */
  room = Infinity;
  /** Bytes that one call reads or writes at most. */
  most = Infinity;
  failure: Error | undefined;
  delay = 0;

  async write(bytes: Uint8Array, offset: number, length: number, position: number) {
    if (this.failure) throw this.failure;
    const count = Math.min(length, this.most);
    if (position + count > this.room) {
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    }
    if (position + count > this.bytes.length) {
      const grown = new Uint8Array(position + count);
      grown.set(this.bytes);
      this.bytes = grown;
    }
    this.bytes.set(bytes.subarray(offset, offset + count), position);
    await Promise.resolve();
    return { bytesWritten: count };
  }

  async read(bytes: Uint8Array, offset: number, length: number, position: number) {
    this.reads++;
    if (this.failure) throw this.failure;
    if (this.delay > 0) await new Promise((done) => setTimeout(done, this.delay));
    const part = this.bytes.subarray(position, position + Math.min(length, this.most));
    bytes.set(part, offset);
    return { bytesRead: part.length };
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

const piece = (seed: number, bytes: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(random(seed).ints(bytes, 0, 256));

async function readBack(pool: FilePool, slot: number, offset: number, count: number): Promise<Uint8Array> {
  const into = new Uint8Array(count);
  await pool.read({
    slots: Int32Array.of(slot),
    offsets: Int32Array.of(offset),
    ends: Int32Array.of(count),
    into,
  });
  return into;
}

describe("A file of pieces", () => {
  test("gives back any run of any piece", async () => {
    const pool = new FilePool(new FakeFile(), "fake");
    const pieces = [piece(1, 10_000), piece(2, 1), piece(3, 4096), piece(4, 50_001)];
    const slots = await Promise.all(pieces.map((bytes) => pool.write(bytes)));
    const draw = random(9);
    const runs = Array.from({ length: 200 }, () => {
      const at = draw.int(0, pieces.length);
      const offset = draw.int(0, pieces[at]!.length);
      return { at, offset, count: draw.int(1, pieces[at]!.length - offset + 1) };
    });
    let end = 0;
    const ends = Int32Array.from(runs, ({ count }) => end += count);
    const into = new Uint8Array(end);
    await pool.read({
      slots: Int32Array.from(runs, ({ at }) => slots[at]!),
      offsets: Int32Array.from(runs, ({ offset }) => offset),
      ends,
      into,
    });
    const expected = runs.flatMap(({ at, offset, count }) => [...pieces[at]!.slice(offset, offset + count)]);
    assertEquals(into, Uint8Array.from(expected));
  });

  test("reads runs that lie near each other at once", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "fake");
    const slot = await pool.write(piece(1, 400_000));
    file.reads = 0;
    const offsets = Int32Array.from({ length: 101 }, (_, i) => i === 100 ? 300_000 : i * 100);
    const ends = offsets.map((_, i) => (i + 1) * 50);
    await pool.read({ slots: offsets.map(() => slot), offsets, ends, into: new Uint8Array(5050) });
    assertEquals(file.reads, 2);
  });

  test("goes on where the system reads and writes less than asked, or slowly", async () => {
    const file = new FakeFile();
    file.most = 1000;
    file.delay = 1;
    const pool = new FilePool(file, "fake");
    const bytes = piece(5, 9000);
    assertEquals(await readBack(pool, await pool.write(bytes), 3000, 2000), bytes.slice(3000, 5000));
  });

  test("is refused when a bit of it has flipped", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "the-path");
    const slot = await pool.write(piece(6, 9000));
    for (const at of [16, 4000, 4112, 9000]) {
      file.bytes[at]! ^= 4;
      const error = await assertRejects(() => readBack(pool, slot, 0, 9000), OffloadError, "checksum");
      assert((error as Error).message.includes('"the-path"'));
      file.bytes[at]! ^= 4;
    }
    assertEquals((await readBack(pool, slot, 0, 9000)).length, 9000);
  });

  test("is refused when it was cut", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "fake");
    const slot = await pool.write(piece(7, 9000));
    file.bytes = file.bytes.subarray(0, 5000);
    await assertRejects(() => readBack(pool, slot, 8000, 10), OffloadError, "it was cut");
  });

  test("is refused when another version or another process wrote it", async () => {
    for (
      const [at, value, message] of [[8, 2, "version is 2, expected 1"], [0, 0, "another process"]] as const
    ) {
      const file = new FakeFile();
      const { write } = file;
      file.write = async (...args) => {
        const result = await write.apply(file, args);
        file.bytes[at] = value;
        return result;
      };
      await assertRejects(() => new FilePool(file, "fake").write(piece(1, 10)), OffloadError, message);
    }
  });

  test("tells when the disk is full, and keeps what it has", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "fake");
    const bytes = piece(8, 5000);
    const slot = await pool.write(bytes);
    file.room = file.bytes.length + 100;
    await assertRejects(() => pool.write(piece(9, 5000)), OffloadError, "no space left");
    assertEquals(await readBack(pool, slot, 0, 5000), bytes);
    file.room = Infinity;
    const again = await pool.write(piece(9, 5000));
    assertEquals(await readBack(pool, again, 0, 5000), piece(9, 5000));
  });

  test("tells when it may not be written or read any more", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "fake");
    const slot = await pool.write(piece(1, 100));
    file.failure = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    await assertRejects(() => readBack(pool, slot, 0, 10), OffloadError, "permission denied");
    await assertRejects(() => pool.write(piece(1, 100)), OffloadError, "permission denied");
  });

  test("is closed with its last owner", async () => {
    const file = new FakeFile();
    const pool = new FilePool(file, "fake");
    await pool.write(piece(1, 10));
    pool.retain();
    pool.release();
    assertEquals(file.closed, 0);
    pool.release();
    assertEquals(file.closed, 1);
  });

  test("of the system stays readable when its folder is deleted while it is open", async () => {
    const folder = await mkdtemp(`${tmpdir()}/filigree-`);
    const { file, path } = await openOffloadFile(folder);
    await rm(folder, { recursive: true });
    const pool = new FilePool(file, path);
    const bytes = piece(3, 20_000);
    assertEquals(await readBack(pool, await pool.write(bytes), 100, 10_000), bytes.slice(100, 10_100));
    pool.release();
  });

  test("of the system is refused when it is read-only", async () => {
    const folder = await mkdtemp(`${tmpdir()}/filigree-`);
    await (await open(`${folder}/file`, "w")).close();
    const file = await open(`${folder}/file`, "r");
    const pool = new FilePool(file, `${folder}/file`);
    await assertRejects(() => pool.write(piece(1, 10)), OffloadError, "writing failed");
    pool.release();
    await rm(folder, { recursive: true });
  });

  test("cannot be made in a folder that does not exist", async () => {
    await assertRejects(() => openOffloadFile("/nonexistent"), OffloadError, "can be written to");
  });
});
