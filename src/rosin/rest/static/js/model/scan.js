// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * Lines that match a regular expression, looked for here: an expression of one user must not be able to hold up the
 * server of all. Goes on with each call where the last one ended.
 */

/** @typedef {import("./types.js").OutputLine} OutputLine */
/** @typedef {import("./types.js").LinePage} LinePage */

/** Lines of one request, and requests of one call. */
const AT_ONCE = 5000;
const REQUESTS = 4;

export class Scan {
  /** @param {(start: number, count: number) => Promise<LinePage>} fetch @param {RegExp} pattern without g @param {(text: string) => string} plain */
  constructor(fetch, pattern, plain) {
    this.fetch = fetch;
    this.pattern = pattern;
    this.plain = plain;
    /** @type {OutputLine[]} */
    this.found = [];
    this.next = 0;
    this.done = false;
    /** @type {Promise<void> | null} */
    this.work = null;
  }

  /** Look further, as far as there is something. */
  async advance() {
    this.work ??= this.look().finally(() => { this.work = null; });
    await this.work;
  }

  async look() {
    for (let turn = 0; turn < REQUESTS && !this.done; turn += 1) {
      const page = await this.fetch(this.next, AT_ONCE);
      // A line that has no end yet is looked at again when it has one.
      const ended = page.lines.filter((line) => !line.open);
      this.found.push(...ended.filter((line) => this.pattern.test(this.plain(line.text))));
      this.next += ended.length;
      this.done = page.complete && this.next >= page.total;
      if (this.next >= page.total || !ended.length) return;
    }
  }

  /** The same as a server that filters: a page of what matches. @param {number} start @param {number} count @returns {Promise<LinePage>} */
  async page(start, count) {
    if (!this.done) await this.advance();
    return { total: this.found.length, first: start, lines: this.found.slice(start, start + count), complete: this.done };
  }
}
