// SPDX-License-Identifier: LGPL-3.0-or-later
/** Search in the output: where the lines are that match, how many, and which one is shown. */

import { plainText } from "../model/ansi.js";
import { count } from "../model/format.js";
import { Scan } from "../model/scan.js";

/** @typedef {import("../model/types.js").LinePage} LinePage */
/** @typedef {(start: number, count: number, search?: string) => Promise<LinePage>} Fetch lines of the view, or of those the ones with a text */

/** Matches that are fetched together. */
const HITS = 500;

/** A pattern for what is in sight, null for what is none. @param {string} text @param {boolean} regex @param {string} [flags] */
export function matcherOf(text, regex, flags = "giu") {
  if (!text) return null;
  try {
    return new RegExp(regex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags);
  } catch {
    return null;
  }
}

export class Finder {
  /** @param {() => Fetch} fetch @param {import("../view/logview.js").LogView} view @param {() => void} changed */
  constructor(fetch, view, changed) {
    this.fetch = fetch;
    this.view = view;
    this.changed = changed;
    this.wanted = "";
    this.total = 0;
    this.at = -1;
    this.error = "";
    this.searching = false;
    this.turn = 0;
    /** @type {Map<number, import("../model/types.js").OutputLine[]>} */
    this.hits = new Map();
    /** @type {Scan | null} */
    this.scan = null;
  }

  /** @param {string} text */
  reset(text) {
    this.wanted = text;
    this.total = 0;
    this.at = -1;
    this.error = "";
    this.searching = false;
    this.hits = new Map();
    this.scan = null;
  }

  /** @param {string} text @param {boolean} regex @param {boolean} here whether to look through what is fetched instead of asking the server */
  async look(text, regex, here) {
    const turn = (this.turn += 1);
    this.reset(text);
    const matcher = matcherOf(text, regex);
    this.view.configure({ matcher });
    if (!text || !matcher) {
      this.error = text ? "This is not a regular expression." : "";
      this.changed();
      return;
    }
    this.searching = true;
    this.changed();
    try {
      if (regex || here) await this.sweep(turn, new Scan(this.fetch(), /** @type {RegExp} */ (matcherOf(text, regex, "iu")), plainText));
      else await this.page(0);
    } catch (error) {
      if (turn === this.turn && /** @type {Error} */ (error).name !== "AbortError") this.error = /** @type {Error} */ (error).message;
    }
    if (turn !== this.turn) return;
    this.searching = false;
    if (this.total && this.at < 0) await this.step(1);
    this.changed();
  }

  /** Look through all lines, and say meanwhile how many there are. @param {number} turn @param {Scan} scan */
  async sweep(turn, scan) {
    this.scan = scan;
    for (let before = -1; before !== scan.next && !scan.done && turn === this.turn; ) {
      before = scan.next;
      await scan.advance();
      if (turn !== this.turn) return;
      this.total = scan.found.length;
      if (this.total && this.at < 0) await this.step(1);
      this.changed();
    }
  }

  /** @param {number} page */
  async page(page) {
    if (this.hits.has(page)) return;
    const found = await this.fetch()(page * HITS, HITS, this.wanted);
    this.hits.set(page, found.lines);
    this.total = found.total;
  }

  /** To the next one or the one before. @param {number} by */
  async step(by) {
    if (!this.total) return;
    this.at = (this.at + by + this.total) % this.total;
    const { at, turn } = this;
    const page = Math.floor(at / HITS);
    if (!this.scan) await this.page(page);
    const hit = this.scan ? this.scan.found[at] : this.hits.get(page)?.[at % HITS];
    if (!hit || turn !== this.turn) return;
    const place = await this.place(hit.n - 1);
    if (turn === this.turn && at === this.at) {
      this.view.toLine(place);
      this.view.configure({ at: hit.n });
    }
    this.changed();
  }

  /** Where the view has a line that is number *line* of all: there may be fewer before it, never more. @param {number} line */
  async place(line) {
    let [low, high] = [0, Math.min(line, this.view.source.total - 1)];
    let guess = high;
    while (low < high) {
      const page = await this.fetch()(guess, 1);
      const found = page.lines[0] ? page.lines[0].n - 1 : Infinity;
      if (found === line) return guess;
      if (found > line) high = guess - 1;
      else low = guess + 1;
      guess = (low + high) >> 1;
    }
    return low;
  }

  text() {
    if (!this.wanted) return "";
    if (this.error) return "not found";
    if (this.searching && !this.total) return "searching";
    if (!this.total) return "no match";
    return `${count(this.at + 1)} of ${count(this.total)}${this.searching ? "+" : ""}`;
  }
}
