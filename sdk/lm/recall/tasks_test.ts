import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { assert, assertEquals, assertThrows } from "../../testing/assert.ts";
import { RECALL_IDS, recallCapacity, type RecallTask, recallText } from "./tasks.ts";

const { model: { vocab } } = JSON.parse(readFileSync(new URL("tokenizer.json", import.meta.url), "utf8")) as {
  model: { vocab: Record<string, number> };
};

const words = new Map(Object.entries(vocab).map(([word, id]) => [id, word]));

function read(ids: ArrayLike<number>): string {
  return Array.from(ids, (id) => words.get(id)).join(" ");
}

describe("recallText", () => {
  for (const task of ["pairs", "records"] as const) {
    test(`${task} have every question's statement once, as far back as it says`, () => {
      for (const [tokens, statements, questions] of [[64, 3, 3], [257, 9, 4], [2048, 120, 64]] as const) {
        const text = recallText({ task, tokens, statements, questions, seed: tokens });
        assertEquals(text.ids.length, tokens);
        assertEquals(text.questions.length, questions);
        const places = new Set<number>();
        for (const { at, answerAt, answer, distance } of text.questions) {
          assertEquals(text.ids[at], RECALL_IDS.ask);
          const statement = [...text.ids.subarray(at - distance, answerAt + answer.length + 1 - distance)];
          assertEquals(statement, [
            RECALL_IDS.note,
            ...text.ids.subarray(at + 1, answerAt),
            ...answer,
            RECALL_IDS.stop,
          ]);
          assertEquals([...text.ids.subarray(answerAt, answerAt + answer.length)], [...answer]);
          places.add(at - distance);
        }
        assertEquals(places.size, questions);
        assertEquals(text.ids.filter((id) => id === RECALL_IDS.note).length, statements);
        assertEquals(text.ids.filter((id) => id === RECALL_IDS.ask).length, questions);
        assertEquals(text.ids.filter((id) => id === RECALL_IDS.bos).length, 1);
        assert(
          text.ids.every((id) => id < RECALL_IDS.end && (id <= RECALL_IDS.stop || id >= RECALL_IDS.filler)),
        );
      }
    });

    test(`${task} have distinct keys up to their capacity`, () => {
      const statements = recallCapacity(task, 4096, 5);
      const { ids } = recallText({ task, tokens: 4096, statements, questions: 5, seed: 1 });
      const keys = new Set<string>();
      ids.forEach((id, at) => {
        if (id === RECALL_IDS.note) keys.add(`${ids.subarray(at + 1, at + (task === "pairs" ? 2 : 3))}`);
      });
      assertEquals(keys.size, statements);
    });
  }

  test("the same options give the same text, another seed another one", () => {
    const text = (seed: number) =>
      recallText({ task: "records", tokens: 48, statements: 2, questions: 1, seed });
    assertEquals(text(7), text(7));
    assert(`${text(7).ids}` !== `${text(8).ids}`);
  });

  test("a needle stands at the depth that is asked for", () => {
    const distances = [0, 0.5, 1].map((depth) =>
      recallText({ task: "records", tokens: 1024, statements: 1, depth, seed: 3 }).questions[0]!.distance
    );
    assert(distances[0]! > 1000 && Math.abs(distances[1]! - 512) < 12 && distances[2]! < 20, `${distances}`);
  });

  test("what does not fit is refused", () => {
    const cases: [RecallTask, number, number, number, number?][] = [
      ["pairs", 64, 20, 1],
      ["pairs", 64, 1, 2],
      ["pairs", 64, 1, 0],
      ["records", 8, 1, 1],
      ["pairs", 4096, 353, 1],
      ["pairs", 64, 2, 1, 0.5],
      ["pairs", 64, 1, 1, 1.5],
    ];
    for (const [task, tokens, statements, questions, depth] of cases) {
      const options = { task, tokens, statements, questions, seed: 1, ...(depth !== undefined && { depth }) };
      assertThrows(() => recallText(options), RangeError);
    }
  });

  test("ids are the words of the tokenizer", () => {
    const { ids } = recallText({ task: "records", tokens: 20, statements: 1, seed: 1 });
    assert(
      /^<bos>( [a-z]+)* note [A-Z][a-z]+ [a-z]+ \d{3} \d{3} \.( [a-z]+)* ask [A-Z][a-z]+ [a-z]+ \d{3} \d{3} \.$/
        .test(read(ids)),
      read(ids),
    );
    assertEquals(
      ["<bos>", "note", "ask", ".", "the", "age", "Bara", "100", "483"].map((word) => vocab[word]),
      [
        RECALL_IDS.bos,
        RECALL_IDS.note,
        RECALL_IDS.ask,
        RECALL_IDS.stop,
        RECALL_IDS.filler,
        RECALL_IDS.field,
        RECALL_IDS.name,
        RECALL_IDS.value,
        RECALL_IDS.end - 1,
      ],
    );
  });
});
