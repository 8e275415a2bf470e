// SPDX-License-Identifier: LGPL-3.0-or-later
/** The screen of a terminal (ECMA-48, as xterm has it): what programs write becomes rows of cells and a cursor. */

import { PLAIN, sgr } from "./ansi.js";

/** @typedef {import("./ansi.js").Style} Style */
/** @typedef {{text: string, style: Style}} Cell */

const BLANK = Object.freeze({ text: " ", style: PLAIN });
/** Rows that are kept above the screen. */
const KEPT = 2000;
/** Characters of one sequence, beyond which it is none. */
const LONGEST = 4096;
const SEQUENCE = /^\x1b(?:\[([0-9:;<=>?]*)([ -/]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|([ -/]*)([0-OQ-WYZ\\`-~]))/;

export class Screen {
  /** @param {number} columns @param {number} rows @param {(text: string) => void} [reply] what programs are answered */
  constructor(columns, rows, reply = () => {}) {
    this.columns = columns;
    this.rows = rows;
    this.reply = reply;
    this.rest = "";
    /** @type {Cell[][]} */
    this.above = [];
    /** @type {Cell[][]} */
    this.cells = [];
    /** @type {Cell[][] | null} */
    this.other = null;
    this.style = PLAIN;
    this.x = 0;
    this.y = 0;
    this.top = 0;
    this.bottom = rows - 1;
    this.saved = { x: 0, y: 0, style: PLAIN };
    this.visible = true;
    this.applicationKeys = false;
    this.bracketed = false;
    this.reset();
  }

  reset() {
    this.cells = Array.from({ length: this.rows }, () => this.blankRow());
    this.other = null;
    this.style = PLAIN;
    [this.x, this.y] = [0, 0];
    this.saved = { x: 0, y: 0, style: PLAIN };
    [this.top, this.bottom] = [0, this.rows - 1];
    this.visible = true;
    this.applicationKeys = false;
    this.bracketed = false;
  }

  /** @returns {Cell[]} */
  blankRow() {
    return Array.from({ length: this.columns }, () => BLANK);
  }

  /** Another size; what is shown stays as far as there is room. @param {number} columns @param {number} rows */
  resize(columns, rows) {
    const fit = (/** @type {Cell[][]} */ cells) => {
      const found = cells.map((row) => [...row.slice(0, columns), ...Array.from({ length: Math.max(0, columns - row.length) }, () => BLANK)]);
      while (found.length > rows) {
        const gone = found.shift();
        if (gone && !this.other) this.above.push(gone);
        this.y = Math.max(0, this.y - 1);
      }
      while (found.length < rows) found.push(Array.from({ length: columns }, () => BLANK));
      return found;
    };
    this.cells = fit(this.cells);
    [this.columns, this.rows] = [columns, rows];
    [this.top, this.bottom] = [0, rows - 1];
    this.x = Math.min(this.x, columns - 1);
    this.y = Math.min(this.y, rows - 1);
  }

  /** @param {string} text */
  write(text) {
    text = this.rest + text;
    this.rest = "";
    for (let at = 0; at < text.length; ) {
      if (text[at] === "\x1b") {
        const match = SEQUENCE.exec(text.slice(at, at + LONGEST));
        if (match) {
          this.control(match);
          at += match[0].length;
        } else if (text.length - at < LONGEST) {
          this.rest = text.slice(at); // its end comes with the next piece
          return;
        } else at += 1;
        continue;
      }
      const character = String.fromCodePoint(/** @type {number} */ (text.codePointAt(at)));
      at += character.length;
      this.character(character);
    }
  }

  /** @param {string} character */
  character(character) {
    if (character === "\r") this.x = 0;
    else if (character === "\n" || character === "\v" || character === "\f") this.down();
    else if (character === "\b") this.x = Math.max(0, Math.min(this.x, this.columns) - 1);
    else if (character === "\t") this.x = Math.min(this.columns - 1, (Math.floor(this.x / 8) + 1) * 8);
    else if (character >= " " && character !== "\x7f") this.put(character);
  }

  /** @param {string} character */
  put(character) {
    const row = this.cells[this.y];
    if (/^\p{M}/u.test(character) && this.x > 0) {
      const cell = row[this.x - 1];
      row[this.x - 1] = { text: cell.text + character, style: cell.style };
      return;
    }
    if (this.x >= this.columns) {
      this.x = 0;
      this.down();
    }
    this.cells[this.y][this.x] = { text: character, style: this.style };
    this.x += 1;
  }

  down() {
    if (this.y === this.bottom) this.scroll(1);
    else this.y = Math.min(this.rows - 1, this.y + 1);
  }

  /** Move what is between the margins up, or down for a negative number. @param {number} count @param {number} [from] */
  scroll(count, from = this.top) {
    const height = this.bottom - from + 1;
    for (let i = 0; i < Math.min(Math.abs(count), height); i += 1) {
      if (count > 0) {
        const [gone] = this.cells.splice(from, 1);
        this.cells.splice(this.bottom, 0, this.blankRow());
        if (from === 0 && this.top === 0 && !this.other) this.above.push(gone);
      } else {
        this.cells.splice(this.bottom, 1);
        this.cells.splice(from, 0, this.blankRow());
      }
    }
    if (this.above.length > KEPT) this.above.splice(0, this.above.length - KEPT);
  }

  /** @param {RegExpExecArray} match */
  control(match) {
    const [, parameters, , final, , escape] = match;
    if (escape !== undefined) this.escape(escape, match[4]);
    else if (final !== undefined) this.sequence(final, parameters);
  }

  /** @param {string} final @param {string} between */
  escape(final, between) {
    if (between) return; // of character sets
    if (final === "7") this.saved = { x: this.x, y: this.y, style: this.style };
    else if (final === "8") ({ x: this.x, y: this.y, style: this.style } = this.saved);
    else if (final === "D") this.down();
    else if (final === "E") { this.x = 0; this.down(); }
    else if (final === "M") { if (this.y === this.top) this.scroll(-1); else this.y = Math.max(0, this.y - 1); }
    else if (final === "c") this.reset();
  }

  /** @param {string} final @param {string} parameters */
  sequence(final, parameters) {
    if (parameters.startsWith("?")) {
      if (final === "h" || final === "l") for (const mode of parameters.slice(1).split(";")) this.mode(Number(mode), final === "h");
      return;
    }
    if (/[<=>]/.test(parameters)) return;
    if (final === "m") { this.style = sgr(this.style, parameters); return; }
    const given = parameters.split(";").map(Number);
    const n = Math.min(9999, Math.max(1, given[0] || 1));
    const [maxX, maxY] = [this.columns - 1, this.rows - 1];
    const x = Math.min(this.x, maxX);
    if (final === "A") this.y = Math.max(this.y >= this.top ? this.top : 0, this.y - n);
    else if (final === "B" || final === "e") this.y = Math.min(this.y <= this.bottom ? this.bottom : maxY, this.y + n);
    else if (final === "C" || final === "a") this.x = Math.min(maxX, x + n);
    else if (final === "D") this.x = Math.max(0, x - n);
    else if (final === "E") [this.x, this.y] = [0, Math.min(maxY, this.y + n)];
    else if (final === "F") [this.x, this.y] = [0, Math.max(0, this.y - n)];
    else if (final === "G" || final === "`") this.x = Math.min(maxX, n - 1);
    else if (final === "d") this.y = Math.min(maxY, n - 1);
    else if (final === "H" || final === "f") [this.y, this.x] = [Math.min(maxY, n - 1), Math.min(maxX, Math.max(1, given[1] || 1) - 1)];
    else if (final === "J") this.eraseScreen(given[0] || 0);
    else if (final === "K") this.eraseLine(given[0] || 0);
    else if (final === "L") { if (this.y >= this.top && this.y <= this.bottom) this.scroll(-n, this.y); }
    else if (final === "M") { if (this.y >= this.top && this.y <= this.bottom) this.scroll(n, this.y); }
    else if (final === "S") this.scroll(n);
    else if (final === "T") this.scroll(-n);
    else if (final === "P") this.shift(x, -n);
    else if (final === "@") this.shift(x, n);
    else if (final === "X") this.erase(this.y, x, x + n);
    else if (final === "r") {
      [this.top, this.bottom] = [n - 1, Math.min(maxY, (given[1] || this.rows) - 1)];
      if (this.top >= this.bottom) [this.top, this.bottom] = [0, maxY];
      [this.x, this.y] = [0, 0];
    } else if (final === "s") this.escape("7", "");
    else if (final === "u") this.escape("8", "");
    else if (final === "n" && given[0] === 6) this.reply(`\x1b[${this.y + 1};${x + 1}R`);
    else if (final === "n" && given[0] === 5) this.reply("\x1b[0n");
    else if (final === "c") this.reply("\x1b[?6c");
  }

  /** @param {number} mode @param {boolean} on */
  mode(mode, on) {
    if (mode === 25) this.visible = on;
    else if (mode === 1) this.applicationKeys = on;
    else if (mode === 2004) this.bracketed = on;
    else if ((mode === 1049 || mode === 47 || mode === 1047) && on !== (this.other !== null)) {
      if (on) {
        this.escape("7", "");
        this.other = this.cells;
        this.cells = Array.from({ length: this.rows }, () => this.blankRow());
      } else {
        const back = this.other ?? this.cells;
        this.other = null;
        this.cells = back;
        this.resize(this.columns, this.rows);
        this.escape("8", "");
      }
    }
  }

  /** @param {number} y @param {number} from @param {number} to */
  erase(y, from, to) {
    const blank = this.style.back ? { text: " ", style: { flags: "", fore: "", back: this.style.back } } : BLANK;
    for (let x = from; x < Math.min(to, this.columns); x += 1) this.cells[y][x] = blank;
  }

  /** @param {number} which */
  eraseLine(which) {
    this.erase(this.y, which === 0 ? this.x : 0, which === 1 ? this.x + 1 : this.columns);
  }

  /** @param {number} which */
  eraseScreen(which) {
    if (which === 3) { this.above.length = 0; return; }
    if (which < 2) this.eraseLine(which);
    const [from, to] = which === 0 ? [this.y + 1, this.rows] : which === 1 ? [0, this.y] : [0, this.rows];
    for (let y = from; y < to; y += 1) this.erase(y, 0, this.columns);
  }

  /** Characters from *x* on move right, or left over those before for a negative number. @param {number} x @param {number} by */
  shift(x, by) {
    const row = this.cells[this.y];
    if (by < 0) row.splice(x, -by);
    else row.splice(x, 0, ...Array.from({ length: Math.min(by, this.columns - x) }, () => BLANK));
    row.length = Math.min(row.length, this.columns);
    while (row.length < this.columns) row.push(BLANK);
  }
}
