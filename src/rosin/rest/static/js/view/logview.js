// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * The log: any number of lines, of which the blocks in sight are in the document. Whoever has scrolled away stays with
 * the line they read, whatever arrives or turns out higher than was guessed; who is at the end stays at the end.
 */

import { BLOCK, Blocks } from "../model/blocks.js";
import { h } from "./dom.js";
import { lineView } from "./logline.js";

/** @typedef {import("../model/logsource.js").LogSource} LogSource */
/** @typedef {{wrap: boolean, times: boolean, ranks: boolean, matcher: RegExp | null, here: number, at?: number, href: (n: number) => string, base: number}} LogOptions */

/** Pixels from the end that count as the end. */
const NEAR = 24;
/** No browser lays out an element that is much higher than this: a longer log moves faster than its scroll bar. */
const HIGHEST = 17_000_000;

export class LogView {
  /** @param {LogSource} source @param {LogOptions} options @param {(following: boolean) => void} onFollow */
  constructor(source, options, onFollow) {
    this.source = source;
    this.options = options;
    this.onFollow = onFollow;
    this.following = true;
    /** @type {Map<number, {node: HTMLElement, drawn: string}>} */
    this.drawn = new Map();
    this.lines = h("div", { class: "lines" });
    this.node = h("div", { class: "log", tabIndex: 0, role: "log", "aria-live": "off", "aria-label": "Output of the job" }, this.lines);
    this.blocks = new Blocks(20);
    /** @type {{line: number, offset: number} | null} where the reader is */
    this.anchor = null;
    this.expected = -1;
    this.lastTop = 0;
    this.y = 0; // what is at the top of the view, in pixels of the whole log
    this.node.addEventListener("scroll", () => this.onScroll(), { passive: true });
    // Not overscroll but intent: a wheel, a finger or a key upwards ends following even before anything moves.
    this.node.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.follow(false); }, { passive: true });
    this.width = 0;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.node);
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame ?? 0);
  }

  /** Another source: another filter, say. @param {LogSource} source */
  show(source) {
    this.source = source;
    this.clear();
    this.anchor = null;
    this.y = 0;
    this.schedule();
  }

  /** Draw everything anew, at the same place. @param {Partial<LogOptions>} options */
  configure(options) {
    Object.assign(this.options, options);
    this.clear();
    this.schedule();
  }

  clear() {
    for (const { node } of this.drawn.values()) node.remove();
    this.drawn.clear();
    this.blocks.reset();
  }

  resized() {
    const rem = parseFloat(getComputedStyle(this.node).lineHeight);
    if (rem) this.blocks.lineHeight = rem;
    if (this.node.clientWidth !== this.width && this.options.wrap) this.blocks.reset();
    this.width = this.node.clientWidth;
    this.schedule();
  }

  onScroll() {
    const { scrollTop, clientHeight } = this.node;
    if (Math.abs(scrollTop - this.expected) < 1.5) return; // we have done that
    const moved = scrollTop - this.lastTop;
    this.lastTop = scrollTop;
    this.expected = -1;
    // In a log that is higher than an element can be, steps are steps of lines, and leaps are parts of the whole.
    if (this.ratio === 1 || Math.abs(moved) > 4 * clientHeight || scrollTop < 1 || scrollTop > this.highest - 1) this.y = scrollTop * this.ratio;
    else this.y += moved;
    this.y = Math.max(0, Math.min(this.bottom, this.y));
    this.follow(this.bottom - this.y < NEAR);
    this.keep();
    this.schedule();
  }

  /** The position of the view when it shows the end. */
  get bottom() {
    return Math.max(0, this.blocks.total - this.node.clientHeight);
  }

  /** The same as the scroll bar counts it. */
  get highest() {
    return Math.max(0, Math.min(HIGHEST, this.blocks.total) - this.node.clientHeight);
  }

  get ratio() {
    return this.blocks.total > HIGHEST ? this.bottom / this.highest : 1;
  }

  /** Note the line at the top of the view. */
  keep() {
    const { y } = this;
    const block = this.blocks.at(y);
    const drawn = this.drawn.get(block);
    const within = y - this.blocks.top(block);
    if (drawn) {
      for (const [i, child] of [...drawn.node.children].entries()) {
        const { offsetTop, offsetHeight } = /** @type {HTMLElement} */ (child);
        if (offsetTop + offsetHeight > within) {
          this.anchor = { line: block * BLOCK + i, offset: within - offsetTop };
          return;
        }
      }
    }
    const line = Math.floor(within / this.blocks.lineHeight);
    this.anchor = { line: block * BLOCK + line, offset: within - line * this.blocks.lineHeight };
  }

  /** @param {boolean} on */
  follow(on) {
    if (on === this.following) return;
    this.following = on;
    if (!on) this.keep();
    this.onFollow(on);
  }

  /** Go to the end and stay there. */
  toEnd() {
    this.follow(true);
    this.schedule();
  }

  /** Put a line in the middle of the view. @param {number} line from 0 */
  toLine(line) {
    this.follow(false);
    this.anchor = { line, offset: -Math.round(this.node.clientHeight / 3) };
    this.schedule();
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    if (!this.node.clientHeight) return;
    this.blocks.resize(this.source.total);
    this.node.classList.toggle("wrap", this.options.wrap);
    this.node.style.setProperty("--gutter", `${Math.max(3, String(this.source.total + this.options.base).length)}ch`);
    // Heights are guesses until blocks are drawn, which moves what is below them: go on until nothing moves.
    for (let turn = 0; turn < 4; turn += 1) {
      this.place();
      if (!this.drawBlocks()) break;
    }
    this.place();
    this.position();
  }

  /** Scroll to where the reader is. */
  place() {
    const { node, blocks } = this;
    this.lines.style.height = `${Math.min(HIGHEST, blocks.total)}px`;
    if (this.following) this.y = this.bottom;
    else if (this.anchor) this.y = this.lineTop(this.anchor.line) + this.within(this.anchor);
    this.y = Math.max(0, Math.min(this.bottom, this.y));
    const wanted = this.y / this.ratio;
    // A finger or a wheel that is at work is not disturbed: blocks are put where it is.
    if (Math.abs(wanted - node.scrollTop) < 1 || (this.ratio > 1 && this.expected === -1 && Math.abs(wanted - node.scrollTop) < 2 * node.clientHeight)) return;
    node.scrollTop = wanted;
    this.expected = this.lastTop = node.scrollTop;
  }

  /** Put the blocks where they belong. */
  position() {
    const shift = this.node.scrollTop - this.y;
    for (const [block, { node }] of this.drawn) node.style.transform = `translateY(${this.blocks.top(block) + (Math.abs(shift) < 1.5 ? 0 : shift)}px)`;
  }

  /** How far into its line the anchor is: a line that was wrapped may be lower now. @param {{line: number, offset: number}} anchor */
  within({ line, offset }) {
    const block = Math.floor(line / BLOCK);
    const child = /** @type {HTMLElement | undefined} */ (this.drawn.get(block)?.node.children[line - block * BLOCK]);
    return child && offset > 0 ? Math.min(offset, child.offsetHeight - 2) : offset;
  }

  /** Where a line is. @param {number} line */
  lineTop(line) {
    const block = Math.min(Math.floor(line / BLOCK), Math.max(0, this.blocks.count - 1));
    const within = line - block * BLOCK;
    const child = /** @type {HTMLElement | undefined} */ (this.drawn.get(block)?.node.children[within]);
    return this.blocks.top(block) + (child ? child.offsetTop : within * this.blocks.lineHeight);
  }

  /** Draw what is in sight; returns whether a height was not as guessed. */
  drawBlocks() {
    const { node, blocks, source } = this;
    const first = blocks.at(Math.max(0, this.y - node.clientHeight / 2));
    const last = blocks.at(this.y + node.clientHeight * 1.5);
    let moved = false;
    for (const [block, { node: old }] of this.drawn) {
      if (block >= first && block <= last) continue;
      old.remove();
      this.drawn.delete(block);
    }
    if (!blocks.count) return false;
    const fresh = [];
    for (let block = first; block <= last; block += 1) {
      // What was drawn before the width changed is as high as it is, not as it was.
      if (this.drawBlock(block) || !blocks.measured.has(block)) fresh.push(block);
    }
    for (const block of fresh) { // measured together: one layout
      const drawn = this.drawn.get(block);
      if (drawn?.drawn) moved = Math.abs(blocks.measure(block, drawn.node.offsetHeight)) > 0.5 || moved;
    }
    this.position();
    source.need(first, last);
    return moved;
  }

  /** Returns whether there is something new to measure. @param {number} block */
  drawBlock(block) {
    const lines = this.source.lines(block);
    const state = lines ? `${lines.length}:${lines[lines.length - 1]?.text.length}:${this.blocks.size(block)}` : "";
    let drawn = this.drawn.get(block);
    if (drawn && drawn.drawn === state) return false;
    if (!drawn) {
      drawn = { node: h("div", { class: "block" }), drawn: "" };
      this.drawn.set(block, drawn);
      this.lines.append(drawn.node);
    }
    drawn.drawn = state;
    drawn.node.replaceChildren();
    if (!lines) return false;
    const before = this.source.lines(block - 1)?.at(-1);
    const fragment = document.createDocumentFragment();
    lines.forEach((line, i) => fragment.append(lineView(line, block * BLOCK + i, i ? lines[i - 1] : before, this.options)));
    drawn.node.append(fragment);
    return true;
  }
}
