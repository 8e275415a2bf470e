// SPDX-License-Identifier: LGPL-3.0-or-later
/** ANSI colours (SGR) as elements with text nodes; every other escape sequence is dropped. Never HTML. */

// Complete sequences, and at the end of a chunk one that is not complete yet.
const SEQUENCE = /\x1b(?:\[([0-9:;<=>?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/g;
const PARTIAL = /\x1b(?:\[[0-9:;<=>?]*[ -/]*|\][^\x07\x1b]*)?$/;
const STEPS = [0, 95, 135, 175, 215, 255];

function color256(n) {
  if (n < 16) return null;
  if (n > 231) return `rgb(${8 + (n - 232) * 10} ${8 + (n - 232) * 10} ${8 + (n - 232) * 10})`;
  const m = n - 16;
  return `rgb(${STEPS[Math.floor(m / 36)]} ${STEPS[Math.floor(m / 6) % 6]} ${STEPS[m % 6]})`;
}

/** Turns the chunks of one stream into nodes; the style goes on from chunk to chunk. */
export class Ansi {
  constructor() {
    this.rest = "";
    this.reset();
  }

  reset() {
    this.flags = new Set();
    this.fore = this.back = null;
  }

  /** The nodes of a chunk of text. */
  nodes(text) {
    text = (this.rest + text).replaceAll("\r\n", "\n");
    const cut = text.match(PARTIAL);
    this.rest = cut ? cut[0] : "";
    if (cut) text = text.slice(0, cut.index);
    const found = [];
    let at = 0;
    for (const match of text.matchAll(SEQUENCE)) {
      if (match.index > at) found.push(this.node(text.slice(at, match.index)));
      at = match.index + match[0].length;
      if (match[2] === "m") this.apply(match[1]);
    }
    if (at < text.length) found.push(this.node(text.slice(at)));
    return found;
  }

  node(text) {
    const classes = [...this.flags];
    if (typeof this.fore === "number") classes.push(`f${this.fore}`);
    if (typeof this.back === "number") classes.push(`g${this.back}`);
    if (!classes.length && this.fore === null && this.back === null) return document.createTextNode(text);
    const span = document.createElement("span");
    span.className = classes.join(" ");
    if (typeof this.fore === "string") span.style.color = this.fore;
    if (typeof this.back === "string") span.style.backgroundColor = this.back;
    span.textContent = text;
    return span;
  }

  apply(parameters) {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let i = 0; i < codes.length; i += 1) {
      const code = codes[i];
      if (code === 0) this.reset();
      else if (code >= 1 && code <= 4) this.flags.add("bdiu"[code - 1]);
      else if (code === 22) { this.flags.delete("b"); this.flags.delete("d"); }
      else if (code === 23) this.flags.delete("i");
      else if (code === 24) this.flags.delete("u");
      else if (code >= 30 && code <= 37) this.fore = code - 30;
      else if (code >= 90 && code <= 97) this.fore = code - 90;
      else if (code === 39) this.fore = null;
      else if (code >= 40 && code <= 47) this.back = code - 40;
      else if (code >= 100 && code <= 107) this.back = code - 100;
      else if (code === 49) this.back = null;
      else if (code === 38 || code === 48) {
        let color = null;
        if (codes[i + 1] === 5) {
          color = color256(codes[i + 2]) ?? (codes[i + 2] & 7);
          i += 2;
        } else if (codes[i + 1] === 2) {
          color = `rgb(${codes.slice(i + 2, i + 5).map((n) => n & 255).join(" ")})`;
          i += 4;
        }
        if (code === 38) this.fore = color;
        else this.back = color;
      }
    }
  }
}
