// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * A line as a terminal would leave it: carriage return, backspace, tabs, erase and cursor movement within the line,
 * and the colours and attributes of SGR (ECMA-48). It becomes runs of text with a style; never HTML.
 */

/**
 * @typedef {object} Style
 * @property {string} flags letters of b(old) d(im) i(talic) u(nderline) s(trike) r(everse) h(idden), sorted
 * @property {string} fore a colour of CSS, or empty
 * @property {string} back
 * @property {string} [href] where it leads (OSC 8)
 */
/** @typedef {{text: string, style: Style}} Run */

/** @type {Style} */
export const PLAIN = Object.freeze({ flags: "", fore: "", back: "" });

/** The 16 colours on the log's dark ground: each has a contrast of at least 4.5 as text. */
export const PALETTE = [
  "#8b8994", "#ff8272", "#8fd46b", "#e9c46a", "#86b4ff", "#dca6f5", "#66d3d6", "#dcdad4",
  "#a3a1ac", "#ffab9f", "#b4ea97", "#ffe08f", "#b3d0ff", "#ecc9ff", "#9aeaec", "#ffffff",
];
const STEPS = [0, 95, 135, 175, 215, 255];
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f\x9b]/;
/** Columns that carriage returns and movements can reach; what is beyond is written as it comes. */
const WIDEST = 4096;

/** A colour of the 256. @param {number} n */
export function color256(n) {
  if (!(n >= 0 && n < 256)) return "";
  if (n < 16) return PALETTE[n];
  const grey = 8 + (n - 232) * 10;
  if (n > 231) return `rgb(${grey} ${grey} ${grey})`;
  const m = n - 16;
  return `rgb(${STEPS[Math.floor(m / 36)]} ${STEPS[Math.floor(m / 6) % 6]} ${STEPS[m % 6]})`;
}

/** @param {string} flags @param {string} letter */
const set = (flags, letter) => (flags.includes(letter) ? flags : [...flags, letter].sort().join(""));
/** @param {string} flags @param {string} letters */
const unset = (flags, letters) => [...flags].filter((flag) => !letters.includes(flag)).join("");

/** @type {Record<number, string>} */
const ON = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 8: "h", 9: "s", 21: "u" };
/** @type {Record<number, string>} */
const OFF = { 22: "bd", 23: "i", 24: "u", 27: "r", 28: "h", 29: "s" };

/** The style after the parameters of an SGR sequence. @param {Style} style @param {string} parameters @returns {Style} */
export function sgr(style, parameters) {
  let { flags, fore, back } = style;
  // 38:2::R:G:B has an empty place for the colour space; 38;2;R;G;B has none.
  const groups = parameters.split(";").map((part) => part.split(":"));
  for (let i = 0; i < groups.length; i += 1) {
    const code = Number(groups[i][0] || 0);
    if (code === 0) [flags, fore, back] = ["", "", ""];
    else if (code === 4 && groups[i][1] === "0") flags = unset(flags, "u");
    else if (code in ON) flags = set(flags, ON[code]);
    else if (code in OFF) flags = unset(flags, OFF[code]);
    else if (code >= 30 && code <= 37) fore = PALETTE[code - 30];
    else if (code >= 90 && code <= 97) fore = PALETTE[code - 82];
    else if (code >= 40 && code <= 47) back = PALETTE[code - 40];
    else if (code >= 100 && code <= 107) back = PALETTE[code - 92];
    else if (code === 39) fore = "";
    else if (code === 49) back = "";
    else if (code === 38 || code === 48) {
      let place = groups[i].slice(1);
      if (!place.length) {
        const wanted = groups[i + 1]?.[0] === "2" ? 4 : groups[i + 1]?.[0] === "5" ? 2 : 0;
        place = groups.slice(i + 1, i + 1 + wanted).map((part) => part[0]);
        i += wanted;
      } else if (place[0] === "2" && place.length > 4) place.splice(1, 1);
      const color = place[0] === "5" ? color256(Number(place[1] || 0)) : place[0] === "2" ? trueColor(place.slice(1)) : "";
      if (code === 38) fore = color;
      else back = color;
    }
  }
  const { href } = style;
  if (href) return { flags, fore, back, href };
  return flags || fore || back ? { flags, fore, back } : PLAIN;
}

/** @param {string[]} parts */
function trueColor(parts) {
  const [red = 0, green = 0, blue = 0] = parts.map((part) => Number(part || 0) & 255);
  return `rgb(${red} ${green} ${blue})`;
}

const SEQUENCE = /\x1b(?:\[([0-9:;<=>?]*)[ -/]*([@-~])|\]([^\x07\x1b]*)(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])|\x9b([0-9:;<=>?]*)[ -/]*([@-~])/y;

/**
 * A line (without its end) as runs. The style that it begins with goes on from the line before.
 * @param {string} text
 * @param {Style} [style]
 * @returns {{runs: Run[], style: Style}}
 */
export function renderLine(text, style = PLAIN) {
  if (!CONTROL.test(text)) return { runs: text ? [{ text, style }] : [], style };
  return new Line(style).write(text);
}

class Line {
  /** @param {Style} style */
  constructor(style) {
    this.style = style;
    /** @type {string[]} */
    this.cells = [];
    /** @type {Style[]} */
    this.styles = [];
    this.column = 0;
  }

  /** @param {string} text */
  write(text) {
    for (let at = 0; at < text.length; ) {
      const code = /** @type {number} */ (text.codePointAt(at));
      if (code === 0x1b || code === 0x9b) {
        SEQUENCE.lastIndex = at;
        const match = SEQUENCE.exec(text);
        if (match?.[3] !== undefined) this.link(match[3]);
        else if (match) this.control(match[2] ?? match[5], match[1] ?? match[4] ?? "");
        at = match ? SEQUENCE.lastIndex : text.length; // what is not complete at the end of a line says nothing
        continue;
      }
      const character = String.fromCodePoint(code);
      at += character.length;
      this.character(character, code);
    }
    return { runs: this.runs(), style: this.style };
  }

  /** @param {string} character @param {number} code */
  character(character, code) {
    if (code === 0x0d) this.column = 0;
    else if (code === 0x08) this.column = Math.max(0, this.column - 1);
    else if (code === 0x09) for (let next = 8 - (this.column % 8); next > 0; next -= 1) this.put(" ");
    else if (code >= 0x20 && code !== 0x7f) this.put(character);
  }

  /** @param {string} character */
  put(character) {
    const { cells } = this;
    // A mark belongs to the character before it and takes no place of its own.
    if (/^\p{M}|\u200d/u.test(character) && this.column > 0 && this.column <= cells.length) {
      cells[this.column - 1] += character;
      return;
    }
    while (cells.length < this.column) {
      cells.push(" ");
      this.styles.push(PLAIN);
    }
    cells[this.column] = character;
    this.styles[this.column] = this.style;
    this.column += 1;
  }

  /** @param {string | undefined} final @param {string} parameters */
  control(final, parameters) {
    if (final === "m") {
      if (!/[<=>?]/.test(parameters)) this.style = sgr(this.style, parameters);
      return;
    }
    const amount = Number(parameters.split(";")[0] || 0);
    if (final === "K") this.erase(amount);
    else if (final === "C") this.column = Math.min(WIDEST, this.column + Math.max(1, amount));
    else if (final === "D") this.column = Math.max(0, this.column - Math.max(1, amount));
    else if (final === "G") this.column = Math.min(WIDEST, Math.max(1, amount) - 1);
    else if (final === "P") this.remove(Math.max(1, amount));
    else if (final === "J" && amount >= 2) this.erase(2);
  }

  /** What an operating system command says: of the eighth, where the text after it leads. @param {string} text */
  link(text) {
    const href = /^8;[^;]*;(.*)$/s.exec(text)?.[1];
    if (href === undefined) return;
    const { flags, fore, back } = this.style;
    if (/^https?:\/\/[^\s]+$/i.test(href)) this.style = { flags, fore, back, href };
    else this.style = flags || fore || back ? { flags, fore, back } : PLAIN;
  }

  /** @param {number} count */
  remove(count) {
    this.cells.splice(this.column, count);
    this.styles.splice(this.column, count);
  }

  /** Erase in line: 0 to its end, 1 from its beginning, 2 all. @param {number} which */
  erase(which) {
    const from = which === 0 ? this.column : 0;
    const to = which === 1 ? Math.min(this.column + 1, this.cells.length) : this.cells.length;
    if (to === this.cells.length) {
      this.cells.length = Math.min(from, this.cells.length);
      this.styles.length = this.cells.length;
      return;
    }
    for (let i = from; i < to; i += 1) [this.cells[i], this.styles[i]] = [" ", PLAIN];
  }

  runs() {
    /** @type {Run[]} */
    const found = [];
    this.cells.forEach((cell, i) => {
      const last = found[found.length - 1];
      if (last && last.style === this.styles[i]) last.text += cell;
      else found.push({ text: cell, style: this.styles[i] });
    });
    return found;
  }
}

/** The text of a line without what controls a terminal. @param {string} text */
export const plainText = (text) => renderLine(text).runs.map((run) => run.text).join("");

const URL_TEXT = /\bhttps?:\/\/[^\s<>"'`\x00-\x1f]+[^\s<>"'`.,;:!?)\]}\x00-\x1f]/g;

/** The web addresses in a text. @param {string} text @returns {{start: number, end: number}[]} */
export function links(text) {
  if (!text.includes("://")) return [];
  return [...text.matchAll(URL_TEXT)].map((match) => ({ start: match.index, end: match.index + match[0].length }));
}
