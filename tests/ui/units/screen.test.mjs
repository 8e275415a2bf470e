// SPDX-License-Identifier: LGPL-3.0-or-later
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyText } from "../../../src/rosin/rest/static/js/model/keys.js";
import { Scan } from "../../../src/rosin/rest/static/js/model/scan.js";
import { Screen } from "../../../src/rosin/rest/static/js/model/screen.js";

const shown = (screen) => screen.cells.map((row) => row.map((cell) => cell.text).join("").trimEnd());
const screen = (text, columns = 10, rows = 4) => {
  const made = new Screen(columns, rows);
  made.write(text);
  return made;
};

test("lines end, wrap and scroll up, and what has gone is kept above", () => {
  assert.deepEqual(shown(screen("ab\r\ncd")), ["ab", "cd", "", ""]);
  assert.deepEqual(shown(screen("0123456789ab")), ["0123456789", "ab", "", ""]);
  const full = screen("1\r\n2\r\n3\r\n4\r\n5\r\n6");
  assert.deepEqual(shown(full), ["3", "4", "5", "6"]);
  assert.equal(full.above.length, 2);
});

test("a line that is exactly full does not wrap before something comes", () => {
  assert.deepEqual(shown(screen("0123456789\r\nx")), ["0123456789", "x", "", ""]);
});

test("the cursor goes where it is sent, and not beyond", () => {
  const made = screen("\x1b[2;3Hx\x1b[99;99Hy\x1b[A\x1b[5Dz");
  assert.deepEqual(shown(made), ["", "  x", "    z", "         y"]);
});

test("erasing, inserting and deleting", () => {
  assert.deepEqual(shown(screen("abcdef\x1b[3D\x1b[K")), ["abc", "", "", ""]);
  assert.deepEqual(shown(screen("abc\r\ndef\x1b[2J")), ["", "", "", ""]);
  assert.deepEqual(shown(screen("abcdef\x1b[1G\x1b[2P")), ["cdef", "", "", ""]);
  assert.deepEqual(shown(screen("abc\x1b[1G\x1b[2@")), ["  abc", "", "", ""]);
  assert.deepEqual(shown(screen("a\r\nb\r\nc\x1b[2H\x1b[L")), ["a", "", "b", "c"]);
  assert.deepEqual(shown(screen("a\r\nb\r\nc\x1b[2H\x1b[M")), ["a", "c", "", ""]);
});

test("margins scroll only what is between them", () => {
  const made = screen("a\r\nb\r\nc\r\nd\x1b[2;3r\x1b[3;1H\nx");
  assert.deepEqual(shown(made), ["a", "c", "x", "d"]);
  assert.equal(made.above.length, 0);
});

test("the other screen of full-screen programs comes and goes", () => {
  const made = screen("shell\x1b[?1049hvim");
  assert.deepEqual(shown(made), ["", "", "", ""].map((_, i) => (i === 0 ? "     vim" : "")));
  made.write("\x1b[?1049l");
  assert.deepEqual(shown(made), ["shell", "", "", ""]);
  assert.deepEqual([made.x, made.y], [5, 0]);
});

test("sequences that come in pieces are one, and what is none does no harm", () => {
  const made = screen("a\x1b[3");
  made.write("1mb\x1b]0;ti");
  made.write("tle\x07c");
  assert.deepEqual(shown(made)[0], "abc");
  assert.notEqual(made.cells[0][1].style.fore, "");
  made.write("\x1b[9999999999;9999999999H\x1b[999999999L\x1b[999999999@\x1b[999999999X");
  assert.equal(made.cells.length, 4);
  assert.ok(made.cells.every((row) => row.length === 10));
});

test("programs are answered where the cursor is", () => {
  const said = [];
  const made = new Screen(10, 4, (text) => said.push(text));
  made.write("ab\x1b[6n");
  assert.deepEqual(said, ["\x1b[1;3R"]);
});

test("another size keeps what there is room for", () => {
  const made = screen("1\r\n2\r\n3\r\n4");
  made.resize(5, 2);
  assert.deepEqual(shown(made), ["3", "4"]);
  assert.equal(made.y, 1);
  made.resize(12, 3);
  assert.deepEqual(shown(made), ["3", "4", ""]);
});

test("what keys send", () => {
  const key = (name, more = {}) => keyText({ key: name, ctrlKey: false, altKey: false, metaKey: false, shiftKey: false, ...more }, false);
  assert.equal(key("a"), "a");
  assert.equal(key("é"), "é");
  assert.equal(key("Enter"), "\r");
  assert.equal(key("c", { ctrlKey: true }), "\x03");
  assert.equal(key("[", { ctrlKey: true }), "\x1b");
  assert.equal(key("x", { altKey: true }), "\x1bx");
  assert.equal(key("ArrowUp"), "\x1b[A");
  assert.equal(key("ArrowUp", { ctrlKey: true }), "\x1b[1;5A");
  assert.equal(keyText({ key: "ArrowUp", ctrlKey: false, altKey: false, metaKey: false, shiftKey: false }, true), "\x1bOA");
  assert.equal(key("Delete"), "\x1b[3~");
  assert.equal(key("Shift", { shiftKey: true }), null);
  assert.equal(key("v", { ctrlKey: true, shiftKey: true }), null);
  assert.equal(key("w", { metaKey: true }), null);
});

test("a regular expression is looked for in all lines, and goes on with those that come", async () => {
  const lines = [...Array(12_000).keys()].map((n) => ({ n: n + 1, text: n % 1000 ? "x" : `hit ${n}` }));
  let complete = false;
  const scan = new Scan(async (start, count) => ({ first: start, total: lines.length, lines: lines.slice(start, start + count), complete }), /hit \d+/, (text) => text);
  assert.equal((await scan.page(0, 5)).total, 12);
  lines.push({ n: 12_001, text: "hit", open: true });
  assert.equal((await scan.page(0, 50)).total, 12, "a line without an end is not looked at yet");
  lines[12_000] = { n: 12_001, text: "hit 7" };
  complete = true;
  const page = await scan.page(10, 50);
  assert.deepEqual([page.total, page.lines.at(-1).n, page.complete], [13, 12_001, true]);
});
