// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * Heights of a long list in blocks of lines: guessed until they are measured. Finds what is at a position and where a
 * line is, for millions of lines, in the time of a search.
 */

export const BLOCK = 50;

export class Blocks {
  /** @param {number} lineHeight of a line that is not measured, in pixels */
  constructor(lineHeight) {
    this.lineHeight = lineHeight;
    this.lines = 0;
    /** @type {Map<number, number>} */
    this.measured = new Map();
    /** @type {Float64Array} */
    this.tops = new Float64Array(1);
    this.valid = 0; // tops up to this block are right
  }

  get count() {
    return Math.ceil(this.lines / BLOCK);
  }

  /** How many lines there are. @param {number} lines */
  resize(lines) {
    if (lines === this.lines) return;
    const first = Math.max(0, Math.floor(Math.min(lines, this.lines) / BLOCK));
    for (const block of [...this.measured.keys()]) if (block >= first) this.measured.delete(block);
    this.lines = lines;
    if (this.tops.length < this.count + 1) {
      const grown = new Float64Array(Math.max(64, 2 * (this.count + 1)));
      grown.set(this.tops);
      this.tops = grown;
    }
    this.valid = Math.min(this.valid, first);
  }

  /** Forget all measures, as after a change of width. */
  reset() {
    this.measured.clear();
    this.valid = 0;
  }

  /** Lines of a block. @param {number} block */
  size(block) {
    return Math.min(BLOCK, this.lines - block * BLOCK);
  }

  /** @param {number} block */
  height(block) {
    return this.measured.get(block) ?? this.size(block) * this.lineHeight;
  }

  /** Note what a block really measures; returns by how much the guess was wrong. @param {number} block @param {number} height */
  measure(block, height) {
    const change = height - this.height(block);
    this.measured.set(block, height);
    if (change) this.valid = Math.min(this.valid, block);
    return change;
  }

  /** Where a block begins. @param {number} block */
  top(block) {
    while (this.valid < block) {
      this.tops[this.valid + 1] = this.tops[this.valid] + this.height(this.valid);
      this.valid += 1;
    }
    return this.tops[block];
  }

  get total() {
    return this.top(this.count);
  }

  /** The block at a position. @param {number} y */
  at(y) {
    const { total } = this;
    if (!this.count || y >= total) return Math.max(0, this.count - 1);
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
