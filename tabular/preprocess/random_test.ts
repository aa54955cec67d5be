import { describe, test } from "node:test";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../sdk/testing/assert.ts";
import { latinSquare } from "./latin_square.ts";
import { initByArray, initGenrand, seedWords } from "./mt19937.ts";
import { numpyNormals } from "./numpy_random.ts";
import { pythonRandom } from "./python_random.ts";
import { torchRandom } from "./torch_random.ts";

describe("mt19937", () => {
  test("initByArray() gives the numbers of the reference code", () => {
    const generator = initByArray([0x123, 0x234, 0x345, 0x456]);
    const drawn = Array.from({ length: 5 }, () => generator.next());
    assertEquals(drawn, [1067595299, 955945823, 477289528, 4107218783, 4228976476]);
  });

  test("initGenrand() reaches the number that the C++ standard names", () => {
    const generator = initGenrand(5489);
    generator.skip(9999);
    assertEquals(generator.next(), 4123659995);
  });

  test("skip() moves on as that many calls of next", () => {
    for (const count of [0, 1, 623, 624, 625, 1248, 5000]) {
      const walked = initGenrand(7);
      for (let i = 0; i < count; i++) walked.next();
      const skipped = initGenrand(7);
      skipped.skip(count);
      assertEquals(skipped.next(), walked.next(), `after ${count}`);
    }
  });

  test("seeds are taken modulo 2^32, negative ones too", () => {
    assertEquals(initGenrand(2 ** 32 + 5).next(), initGenrand(5).next());
    assertEquals(initGenrand(-1).next(), initGenrand(2 ** 32 - 1).next());
    assertEquals(seedWords(2 ** 32 + 5), [5, 1]);
    assertThrows(() => initGenrand(0.5), RangeError);
    assertThrows(() => seedWords(-1), RangeError);
    assertThrows(() => initByArray([]), RangeError);
  });
});

describe("pythonRandom()", () => {
  test("ignores the sign of the seed", () => {
    assertEquals(pythonRandom(-42).getrandbits(32), pythonRandom(42).getrandbits(32));
  });

  test("sample() draws distinct numbers with and without a pool", () => {
    const generator = pythonRandom(3);
    for (const [n, k] of [[0, 0], [1, 1], [21, 5], [22, 5], [1000, 3], [1000, 400]] as const) {
      const drawn = generator.sample(n, k);
      assertEquals(new Set(drawn).size, k);
      assert(drawn.every((value) => value >= 0 && value < n));
    }
  });

  test("refuses arguments out of range", () => {
    const generator = pythonRandom(0);
    assertThrows(() => generator.getrandbits(33), RangeError);
    assertThrows(() => generator.randbelow(0), RangeError);
    assertThrows(() => generator.choice([]), RangeError);
    assertThrows(() => generator.sample(3, 4), RangeError);
  });
});

describe("torchRandom()", () => {
  test("randpermHead() gives the start of randperm and leaves the same state", () => {
    for (const n of [0, 1, 2, 9, 700]) {
      const whole = torchRandom(11);
      const head = torchRandom(11);
      assertEquals(head.randpermHead(n, 3), whole.randperm(n).slice(0, 3));
      assertEquals(head.randperm(20), whole.randperm(20));
    }
  });
});

describe("numpyNormals()", () => {
  test("has the moments and tails of a normal distribution", () => {
    const values = numpyNormals(5).fill(new Float64Array(400_000));
    const mean = (f: (x: number) => number) => values.reduce((sum, x) => sum + f(x), 0) / values.length;
    assertAlmostEquals(mean((x) => x), 0, 0.01);
    assertAlmostEquals(mean((x) => x * x), 1, 0.01);
    assertAlmostEquals(mean((x) => x ** 4), 3, 0.05);
    // Both tails beyond the ziggurat's edge, 2.58e-4 together.
    assertAlmostEquals(mean((x) => x > 3.6541528853610088 ? 1 : 0), 1.29e-4, 6e-5);
    assertAlmostEquals(mean((x) => x < -3.6541528853610088 ? 1 : 0), 1.29e-4, 6e-5);
  });

  test("takes seeds of more than 32 bits and refuses negative ones", () => {
    assert(numpyNormals(2 ** 40).next() !== numpyNormals(0).next());
    assertThrows(() => numpyNormals(-1), RangeError);
  });
});

describe("latinSquare()", () => {
  test("has every symbol once in each row and column", () => {
    for (const size of [1, 2, 3, 8, 31]) {
      const square = latinSquare(pythonRandom(size), size);
      const rows = Array.from({ length: size }, (_, i) => square.row(i));
      for (let i = 0; i < size; i++) {
        assertEquals(new Set(rows[i]).size, size);
        assertEquals(new Set(rows.map((row) => row[i])).size, size);
      }
    }
  });
});
