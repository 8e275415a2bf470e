// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * The output of a job as numbered lines, of which only those in sight are here: fetched by range, kept in blocks, and
 * forgotten when they are far away. Lines have numbers, so nothing can be shown twice.
 */

import { BLOCK } from "./blocks.js";

/** @typedef {import("./types.js").OutputLine} OutputLine */
/** @typedef {import("./types.js").LinePage} LinePage */

/** Blocks that are kept: 400 of 50 lines. */
const KEPT = 400;
/** Blocks that one request brings at most. */
const TOGETHER = 10;

export class LogSource {
  /**
   * @param {(from: number, count: number) => Promise<LinePage>} fetch lines from an index that begins with 0
   * @param {() => void} changed
   */
  constructor(fetch, changed) {
    this.fetch = fetch;
    this.changed = changed;
    this.total = 0;
    this.complete = false;
    this.ready = false;
    /** @type {Map<number, OutputLine[]>} */
    this.blocks = new Map();
    /** @type {Set<number>} */
    this.asked = new Set();
    /** @type {Error | null} */
    this.error = null;
  }

  /** The lines of a block that are here. @param {number} block */
  lines(block) {
    const found = this.blocks.get(block);
    if (found) { // the newest use is last
      this.blocks.delete(block);
      this.blocks.set(block, found);
    }
    return found;
  }

  /** Whether a block has all the lines that there are by now. @param {number} block */
  whole(block) {
    const found = this.blocks.get(block);
    return found !== undefined && found.length >= Math.min(BLOCK, this.total - block * BLOCK);
  }

  /** Bring the blocks from *first* to *last*. @param {number} first @param {number} last */
  async need(first, last) {
    let from = first;
    while (from <= last && (this.whole(from) || this.asked.has(from))) from += 1;
    let to = Math.min(last, from + TOGETHER - 1);
    while (to > from && (this.whole(to) || this.asked.has(to))) to -= 1;
    if (from > to || from * BLOCK >= this.total) return;
    await this.bring(from, to);
  }

  /** @param {number} from @param {number} to */
  async bring(from, to) {
    for (let block = from; block <= to; block += 1) this.asked.add(block);
    try {
      this.take(from, await this.fetch(from * BLOCK, (to - from + 1) * BLOCK));
      this.error = null;
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") this.error = /** @type {Error} */ (error);
    } finally {
      for (let block = from; block <= to; block += 1) this.asked.delete(block);
      this.changed();
    }
  }

  /** @param {number} from @param {LinePage} page */
  take(from, page) {
    this.total = Math.max(this.total, page.total);
    this.complete = page.complete;
    this.ready = true;
    for (let at = 0; at < page.lines.length; at += BLOCK) {
      const block = from + at / BLOCK;
      const lines = page.lines.slice(at, at + BLOCK);
      const before = this.blocks.get(block);
      // An answer that is older than what is here has fewer lines.
      if (!before || before.length <= lines.length) {
        this.blocks.delete(block);
        this.blocks.set(block, lines);
      }
    }
    for (const block of this.blocks.keys()) {
      if (this.blocks.size <= KEPT) break;
      this.blocks.delete(block);
    }
  }

  /** Look what is new at the end. Returns whether anything is. */
  async poll() {
    const before = this.total;
    const block = Math.floor(this.total / BLOCK);
    // The last line may have had no end yet, so that it has more text now.
    await this.bring(this.total % BLOCK === 0 && block > 0 ? block - 1 : block, block + 1);
    return this.total > before;
  }
}
