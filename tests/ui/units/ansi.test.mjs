// SPDX-License-Identifier: LGPL-3.0-or-later
import assert from "node:assert/strict";
import { test } from "node:test";
import { PALETTE, PLAIN, color256, links, plainText, renderLine, sgr } from "../../../src/rosin/rest/static/js/model/ansi.js";

const ESC = "\x1b";
const text = (line) => renderLine(line).runs.map((run) => run.text).join("");

test("a plain line is one run in the style that the line before ended with", () => {
  const bold = sgr(PLAIN, "1");
  assert.deepEqual(renderLine("hello", bold), { runs: [{ text: "hello", style: bold }], style: bold });
  assert.deepEqual(renderLine(""), { runs: [], style: PLAIN });
});

test("carriage return writes over, backspace goes back, and neither deletes what is not written over", () => {
  assert.equal(text("10%\r50%\r100%"), "100%");
  assert.equal(text("100%\r50%"), "50%%");
  assert.equal(text("ab\b\bc"), "cb");
  assert.equal(text("\b\bx"), "x");
  assert.equal(text("done\r"), "done");
});

test("erase in line: to the end, from the beginning, all", () => {
  assert.equal(text(`progress 50%\r${ESC}[Kdone`), "done");
  assert.equal(text(`abcdef${ESC}[3D${ESC}[K`), "abc");
  assert.equal(text(`abcdef${ESC}[3D${ESC}[1K`), "    ef");
  assert.equal(text(`abcdef\r${ESC}[2Kx`), "x");
  assert.equal(text(`abcdef${ESC}[2Kx`), "      x");
});

test("the cursor moves within the line, and cannot make it endless", () => {
  assert.equal(text(`ab${ESC}[3Cc`), "ab   c");
  assert.equal(text(`abc${ESC}[1Gx`), "xbc");
  assert.equal(text(`abcd${ESC}[1G${ESC}[2P`), "cd");
  assert.ok(text(`${ESC}[999999999Cx`).length < 5000);
});

test("tabs beside controls are spaces", () => assert.equal(text("a\tb\r"), "a       b"));

test("attributes: bold, dim, italic, underline, reverse, strike, hidden, and their ends", () => {
  for (const [on, off, flag] of [["1", "22", "b"], ["2", "22", "d"], ["3", "23", "i"], ["4", "24", "u"], ["7", "27", "r"], ["9", "29", "s"], ["8", "28", "h"]]) {
    assert.equal(sgr(PLAIN, on).flags, flag);
    assert.equal(sgr(sgr(PLAIN, on), off).flags, "");
  }
  assert.equal(sgr(sgr(PLAIN, "1;3;4"), "0"), PLAIN);
  assert.equal(sgr(sgr(PLAIN, "1"), ""), PLAIN);
  assert.equal(sgr(sgr(PLAIN, "4"), "4:0").flags, "");
});

test("16, 256 and true colours, in both spellings", () => {
  assert.equal(sgr(PLAIN, "31").fore, PALETTE[1]);
  assert.equal(sgr(PLAIN, "91").fore, PALETTE[9]);
  assert.equal(sgr(PLAIN, "42").back, PALETTE[2]);
  assert.equal(sgr(PLAIN, "107").back, PALETTE[15]);
  assert.equal(sgr(PLAIN, "38;5;208").fore, "rgb(255 135 0)");
  assert.equal(sgr(PLAIN, "48;5;232").back, "rgb(8 8 8)");
  assert.equal(sgr(PLAIN, "38;2;1;2;3").fore, "rgb(1 2 3)");
  assert.equal(sgr(PLAIN, "38:2::1:2:3").fore, "rgb(1 2 3)");
  assert.equal(sgr(PLAIN, "38:5:9").fore, PALETTE[9]);
  assert.equal(sgr(PLAIN, "38;5;208;1").flags, "b");
  assert.equal(sgr(sgr(PLAIN, "31;42"), "39").fore, "");
  assert.equal(color256(300), "");
});

test("what is no colour says nothing, complete or not", () => {
  assert.equal(text(`a${ESC}]0;title\x07b`), "ab");
  assert.equal(text(`a${ESC}]8;;http://x${ESC}\\link${ESC}]8;;${ESC}\\b`), "alinkb");
  assert.equal(text(`a${ESC}[?25lb${ESC}(Bc`), "abc");
  assert.equal(text(`a${ESC}[3`), "a");
  assert.equal(text(`a${ESC}Pq#0;2;0${ESC}\\b`), "ab");
});

test("the style goes on to the next line, and runs of one style are one", () => {
  const { runs, style } = renderLine(`${ESC}[31mre${ESC}[31md`);
  assert.equal(style.fore, PALETTE[1]);
  assert.equal(renderLine("more", style).runs[0].style.fore, PALETTE[1]);
  assert.equal(runs.map((run) => run.text).join(""), "red");
});

test("characters beyond the first plane, and marks on characters, stay whole", () => {
  assert.equal(text("a😀b\bc"), "a😀c");
  assert.equal(text("e\u0301\rx"), "x");
});

test("a text leads where OSC 8 says, and only to the web", () => {
  const link = (href, text) => `\x1b]8;id=1;${href}\x1b\\${text}\x1b]8;;\x07`;
  const { runs, style } = renderLine(`a${link("https://e.org/x", "\x1b[31mred\x1b[0m text")}b`);
  assert.deepEqual(runs.map((run) => [run.text, run.style.href]), [["a", undefined], ["red", "https://e.org/x"], [" text", "https://e.org/x"], ["b", undefined]]);
  assert.equal(style, PLAIN);
  for (const href of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a b"]) assert.deepEqual(renderLine(link(href, "x")).runs, [{ text: "x", style: PLAIN }], href);
  assert.deepEqual(renderLine("\x1b]0;title\x07x").runs, [{ text: "x", style: PLAIN }]);
});

test("addresses are found without the sentence's end", () => {
  const line = "see https://example.org/a?b=1, or (http://x.test/y).";
  assert.deepEqual(links(line).map(({ start, end }) => line.slice(start, end)), ["https://example.org/a?b=1", "http://x.test/y"]);
  assert.deepEqual(links("javascript:alert(1) file:///etc"), []);
  assert.equal(plainText(`${ESC}[1mx${ESC}[0m`), "x");
});

test("a megabyte of carriage returns takes no minutes", () => {
  const { runs } = renderLine("\rabc".repeat(250_000));
  assert.equal(runs.map((run) => run.text).join(""), "abc");
});
