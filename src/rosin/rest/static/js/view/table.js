// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * A table of which only the rows in sight are in the document, each at its place. Between pressing and releasing no row
 * moves; a reader who has scrolled away keeps the rows they are looking at.
 */

import { Selection } from "../model/selection.js";
import { fill, h, icon } from "./dom.js";

/** @typedef {import("../model/types.js").Job} Job */
/**
 * @typedef {object} Column
 * @property {string} name
 * @property {string} title
 * @property {string} width for grid-template-columns
 * @property {string} [sort] the member that the server sorts by
 * @property {boolean} [num]
 * @property {(job: Job, now: number) => Node | string} cell
 * @property {boolean} [ticks] whether it changes with time
 */
/**
 * @typedef {object} Source
 * @property {number} total
 * @property {(index: number) => Job | undefined} at
 * @property {(id: string) => number} indexOf
 */

const SPARE = 6;
const FINE = "(max-width: 44rem)";

export class Table {
  /**
   * @param {Source} source
   * @param {{columns: () => Column[], onSort: (member: string) => void, onRange: (first: number, last: number) => void,
   *   onOpen: (job: Job) => void, onSelect: () => void, actions: (job: Job) => Node | false, now: () => number}} options
   */
  constructor(source, options) {
    this.source = source;
    this.options = options;
    /** @type {Map<string, {node: HTMLElement, job: string, index: number}>} */
    this.rows = new Map();
    this.selection = new Selection(source);
    this.active = 0;
    this.sort = "-id";
    this.pressed = false;
    this.dirty = false;
    /** @type {string | null} */
    this.topId = null;
    this.body = h("div", { role: "rowgroup", class: "body" });
    this.heads = h("div", { role: "row", class: "heads", "aria-rowindex": 1 });
    this.node = h("div", { class: "grid", role: "grid", tabIndex: 0, "aria-label": "Jobs", "aria-multiselectable": "true" },
      h("div", { role: "rowgroup" }, this.heads), this.body);
    this.node.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
    this.node.addEventListener("pointerdown", () => { this.pressed = true; });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => setTimeout(() => this.release()));
    this.narrow = matchMedia(FINE);
    this.narrow.addEventListener("change", () => this.layout());
    new ResizeObserver(() => this.schedule()).observe(this.node);
  }

  get selected() {
    return this.selection.ids;
  }

  get rowHeight() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return (this.narrow.matches ? 3.5 : 2.5) * rem;
  }

  release() {
    this.pressed = false;
    if (this.dirty) this.schedule();
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** Columns or their order have changed. */
  layout() {
    const columns = this.options.columns();
    const wide = ["1.25rem", ...columns.map((column) => column.width), "2.5rem"];
    // The names of a job may be long, its row is not: the least width is that of the columns.
    const least = wide.reduce((sum, width) => sum + parseFloat(width.replace("minmax(", "")) + 0.75, 1.05);
    this.node.style.setProperty("--least", this.narrow.matches ? "0" : `${least}rem`);
    this.node.style.setProperty("--columns", this.narrow.matches ? "1.25rem minmax(0, 1fr) auto 1.75rem" : wide.join(" "));
    const all = h("input", { type: "checkbox", "aria-label": "Select all jobs in sight", on: { change: () => this.selectLoaded(all.checked) } });
    fill(this.heads, h("span", { role: "columnheader", class: "pick" }, all), columns.map((column) => this.head(column)),
      h("span", { role: "columnheader" }, h("span", { class: "sr" }, "Actions")));
    for (const row of this.rows.values()) row.node.remove();
    this.rows.clear();
    this.schedule();
  }

  /** @param {Column} column */
  head(column) {
    const member = this.sort.replace(/^-/, "");
    const sorted = column.sort === member ? (this.sort.startsWith("-") ? "descending" : "ascending") : "none";
    const arrow = sorted === "none" ? false : icon(sorted === "descending" ? "down" : "up");
    const title = column.sort
      ? h("button", { type: "button", on: { click: () => this.options.onSort(column.sort ?? "") } }, column.title, arrow)
      : column.title;
    return h("span", { role: "columnheader", class: column.num ? "num" : "", "aria-sort": column.sort ? sorted : undefined }, title);
  }

  /** The list has other rows, or rows other values. */
  change() {
    if (this.pressed) {
      this.dirty = true;
      return;
    }
    this.keepPlace();
    this.schedule();
  }

  /** A reader who has scrolled down stays with the row at the top of the view. */
  keepPlace() {
    if (this.node.scrollTop < this.rowHeight || this.topId === null) return;
    const index = this.source.indexOf(this.topId);
    if (index < 0) return;
    const shift = (index - (this.topIndex ?? 0)) * this.rowHeight;
    this.topIndex = index;
    if (!shift) return;
    this.resize();
    this.node.scrollTop += shift;
    this.draw(); // both or neither
  }

  resize() {
    const height = `${this.source.total * this.rowHeight}px`;
    if (this.body.style.height !== height) this.body.style.height = height;
    this.node.setAttribute("aria-rowcount", String(this.source.total + 1));
  }

  draw() {
    if (this.pressed && this.dirty) return;
    this.dirty = false;
    this.resize();
    const box = this.heads.querySelector("input");
    if (box) {
      box.checked = this.selected.size > 0 && this.selected.size >= this.source.total;
      box.indeterminate = this.selected.size > 0 && !box.checked;
    }
    const { rowHeight, node } = this;
    const first = Math.max(0, Math.floor(node.scrollTop / rowHeight) - SPARE);
    const last = Math.min(this.source.total, Math.ceil((node.scrollTop + node.clientHeight) / rowHeight) + SPARE);
    this.topIndex = Math.floor(node.scrollTop / rowHeight);
    this.topId = this.source.at(this.topIndex)?.id ?? null;
    const used = new Set();
    for (let index = first; index < last; index += 1) {
      const job = this.source.at(index);
      const key = job ? job.id : `#${index}`;
      used.add(key);
      this.place(key, job, index);
    }
    for (const [key, row] of this.rows) {
      if (used.has(key)) continue;
      if (row.node.contains(document.activeElement)) node.focus({ preventScroll: true });
      row.node.remove();
      this.rows.delete(key);
    }
    this.options.onRange(first, last);
  }

  /** @param {string} key @param {Job | undefined} job @param {number} index */
  place(key, job, index) {
    let row = this.rows.get(key);
    if (!row) {
      const node = h("div", { role: "row", class: job ? "job" : "job ghost" });
      if (job) node.dataset.id = job.id;
      row = { node, job: "", index: -1 };
      this.rows.set(key, row);
      this.body.append(node);
    }
    if (row.index !== index) {
      row.index = index;
      row.node.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.node.setAttribute("aria-rowindex", String(index + 2));
    }
    const text = job ? JSON.stringify(job) : "?";
    if (row.job !== text) {
      row.job = text;
      if (job) this.cells(row.node, job);
      else fill(row.node, h("span"), h("span", { class: "skeleton" }));
    }
    if (job) {
      const chosen = this.selected.has(job.id);
      row.node.setAttribute("aria-selected", String(chosen));
      const box = row.node.querySelector("input");
      if (box) box.checked = chosen;
    }
    row.node.classList.toggle("at", index === this.active && this.node.contains(document.activeElement));
  }

  /** @param {HTMLElement} node @param {Job} job */
  cells(node, job) {
    const focused = node.contains(document.activeElement) ? document.activeElement?.getAttribute("data-part") : null;
    const box = h("input", { type: "checkbox", "aria-label": `Select ${job.name ?? ""} ${job.id}`, data: { part: "box" }, on: { click: (/** @type {MouseEvent} */ event) => this.pick(job, box.checked, event.shiftKey) } });
    const now = this.options.now();
    const columns = this.options.columns();
    const find = (/** @type {string} */ name) => columns.find((column) => column.name === name)?.cell(job, now) ?? "";
    const cells = this.narrow.matches
      ? [h("span", { role: "gridcell", class: "two" }, find("name"), h("small", {}, [job.id, job.user].join(" · "))), h("span", { role: "gridcell" }, find("status"))]
      : columns.map((column) => h("span", { role: "gridcell", class: column.num ? "num" : "", data: { column: column.name } }, column.cell(job, now)));
    fill(node, h("span", { role: "gridcell", class: "pick" }, box), cells, h("span", { role: "gridcell", class: "act" }, this.options.actions(job)));
    if (focused) /** @type {HTMLElement | null} */ (node.querySelector(`[data-part="${focused}"]`))?.focus({ preventScroll: true });
  }

  /** Clocks of rows in sight. */
  tick() {
    const ticking = this.options.columns().filter((column) => column.ticks);
    for (const row of this.rows.values()) {
      const job = this.source.at(row.index);
      if (!job || !job.t_run || job.t_cleanup) continue;
      for (const column of ticking) {
        const cell = row.node.querySelector(`[data-column="${column.name}"]`);
        if (cell) fill(cell, column.cell(job, this.options.now()));
      }
    }
  }

  /** @param {Job} job @param {boolean} on @param {boolean} [range] */
  pick(job, on, range = false) {
    this.active = this.source.indexOf(job.id);
    this.selection.pick(this.active, on, range);
    this.chosen();
  }

  /** @param {number} index */
  extendTo(index) {
    const from = this.active;
    this.moveTo(index);
    this.selection.extend(from, this.active);
    this.chosen();
  }

  /** @param {boolean} on */
  selectLoaded(on) {
    this.selection.all(on);
    this.chosen();
  }

  /** Rows and what is told of them change together. */
  chosen() {
    this.draw();
    this.options.onSelect();
  }

  /** @param {number} index */
  moveTo(index) {
    this.active = Math.max(0, Math.min(this.source.total - 1, index));
    const top = this.active * this.rowHeight;
    const heads = this.heads.offsetHeight;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + this.rowHeight + heads > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = top + this.rowHeight + heads - this.node.clientHeight;
    this.draw();
    const job = this.source.at(this.active);
    const row = job && this.rows.get(job.id);
    if (row) {
      if (!row.node.id) row.node.id = `row-${row.node.dataset.id}`;
      this.node.setAttribute("aria-activedescendant", row.node.id);
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.target !== this.node || event.altKey) return;
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.rowHeight) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page }[event.key];
    const job = this.source.at(this.active);
    const target = step !== undefined ? this.active + step : { Home: 0, End: this.source.total - 1 }[event.key];
    if (target !== undefined && !event.ctrlKey && event.shiftKey) this.extendTo(target);
    else if (target !== undefined && !event.ctrlKey) this.moveTo(target);
    else if (event.key === "Enter" && job) this.options.onOpen(job);
    else if ((event.key === " " || event.key === "x") && job) this.pick(job, !this.selected.has(job.id));
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.selectLoaded(true);
    else if (event.key === "Escape" && this.selected.size) this.selectLoaded(false);
    else return;
    event.preventDefault();
  }
}
