import { before, describe, test } from "node:test";
import { assertEquals, assertMatch, assertThrows } from "../testing/assert.ts";
import { LONGEST_TEXT, MOST_STEPS, type Render, templateEngine } from "./template_engine.ts";

describe("template engine", () => {
  let compile: (source: string) => Render;
  before(async () => {
    compile = await templateEngine();
  });

  const endless: readonly [string, string][] = [
    ["loops in loops", "{% for a in range(2000) %}{% for b in range(2000) %}{{ b }}{% endfor %}{% endfor %}"],
    ["empty loops in loops", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"],
    ["conditions of loops", "{% for a in range(1999999) if a == 1 %}{% endfor %}"],
    [
      "filters of long lists",
      "{% set x = range(99999) %}{% for a in range(9999) %}{% if x | last %}{% endif %}{% endfor %}",
    ],
    [
      "a list that grows while it is gone over",
      "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    ],
    [
      "long texts again and again",
      "{% for a in range(99999) %}{% if text | upper == 'A' %}{% endif %}{% endfor %}",
    ],
  ];
  for (const [what, source] of endless) {
    test(`a template with ${what} ends with an error in bounded time`, () => {
      const start = performance.now();
      const message = `Cannot use the chat template: it did not end within ${MOST_STEPS} steps`;
      assertThrows(() => compile(source)({ text: "a".repeat(100_000) }), RangeError, message);
      assertEquals(performance.now() - start < 10_000, true);
    });
  }

  test("a range without end, and a text that doubles, are refused", () => {
    for (const range of ["range(10000000)", "range(0, 1, 0)", "range(0, 1000000000, 0.1)"]) {
      assertThrows(() => compile(`{% for a in ${range} %}{% endfor %}`)({}), RangeError, "it makes a range");
    }
    const doubles =
      "{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    assertThrows(() => compile(doubles)({}), RangeError, `expected at most ${LONGEST_TEXT}`);
  });

  test("a macro that calls itself without end is refused", () => {
    assertThrows(
      () => compile("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}")({}),
      RangeError,
      "nested more",
    );
  });

  test("a loop may go on and break any number of times", () => {
    const source =
      "{% for a in range(5000) %}{% if a < 4990 %}{% continue %}{% elif a > 4991 %}{% break %}{% endif %}" +
      "{{ a }}{% endfor %}";
    assertEquals(compile(source)({}), "49904991");
  });

  test("a template that does not parse is refused", () => {
    for (const source of ["{% if %}", "{% for a in b %}", "{{ a", "{% endif %}", "{{ 1 + }}"]) {
      assertThrows(() => compile(source), SyntaxError, "Cannot use the chat template: ");
    }
  });

  test("what a template refuses, and what it cannot do, are told", () => {
    const message = "Cannot use the chat template: it refuses the messages: roles must alternate";
    assertThrows(() => compile("{{ raise_exception('roles must alternate') }}")({}), TypeError, message);
    assertThrows(() => compile("{{ x.y.z() }}")({ x: 1 }), TypeError, "Cannot use the chat template: ");
    assertThrows(() => compile("{{ x | nonsense }}")({ x: 1 }), TypeError, "Cannot use the chat template: ");
  });

  test("the usual names are there", () => {
    assertEquals(
      compile("{{ range(3) | join(',') }} {{ range(1, 7, 2) | join }} {{ range(3, 0, -1) | join }}")({}),
      "0,1,2 135 321",
    );
    assertEquals(compile("{% if true and True and not false and none is none %}yes{% endif %}")({}), "yes");
    assertMatch(compile("{{ strftime_now('%d %b %Y') }}")({}), /^\d\d \S+ \d{4}$/);
    assertEquals(compile("{{ missing is defined }} {{ x.a[0] }}")({ x: { a: [7] } }), "false 7");
  });
});
