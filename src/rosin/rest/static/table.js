// SPDX-License-Identifier: LGPL-3.0-or-later
/** The table of jobs: only the rows in view are in the document, so thousands of jobs cost no more than forty. */

import { compareIds, duration, element, isActive, runtime, status, when } from "./format.js";

const ROW = 40;
const SPARE = 8;

export class JobTable {
  constructor(scroller, onCancel) {
    this.scroller = scroller;
    this.body = scroller.querySelector("tbody");
    this.table = scroller.querySelector("table");
    this.onCancel = onCancel;
    this.jobs = new Map();
    this.order = []; // jobs, newest first
    this.shown = [];
    this.match = () => true;
    this.rows = new Map();
    this.above = pad();
    this.below = pad();
    this.stale = true;
    this.scheduled = false;
    scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(scroller);
    setInterval(() => this.tick(), 1000);
  }

  reset(jobs) {
    this.jobs = new Map(jobs.map((job) => [job.id_str, job]));
    this.order = [...jobs].sort((a, b) => compareIds(b.id_str, a.id_str));
    this.changed();
  }

  /** Take a new or changed job; returns what was known of it. */
  put(job) {
    const before = this.jobs.get(job.id_str);
    this.jobs.set(job.id_str, job);
    if (before) {
      this.order[this.find(job.id_str)] = job;
    } else {
      this.order.splice(this.find(job.id_str), 0, job);
    }
    this.changed();
    return before;
  }

  /** Where a job is, or belongs, in the order. */
  find(id) {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareIds(this.order[middle].id_str, id) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  filter(match) {
    this.match = match;
    this.scroller.scrollTop = 0;
    this.changed();
  }

  changed() {
    this.stale = true;
    this.schedule();
  }

  schedule() {
    if (!this.scheduled) {
      this.scheduled = true;
      requestAnimationFrame(() => { this.scheduled = false; this.draw(); });
    }
  }

  draw() {
    if (this.stale) {
      this.shown = this.order.filter(this.match);
      this.stale = false;
      this.onShown?.(this.shown.length, this.order.length);
    }
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
    const count = Math.ceil(this.scroller.clientHeight / ROW) + 2 * SPARE;
    const visible = this.shown.slice(first, first + count);
    const rows = new Map();
    for (const job of visible) {
      const row = this.rows.get(job.id_str) ?? this.makeRow(job.id_str);
      if (row.job !== job) fill(row, job);
      rows.set(job.id_str, row);
    }
    this.rows = rows;
    this.above.firstChild.style.height = `${first * ROW}px`;
    this.below.firstChild.style.height = `${Math.max(0, this.shown.length - first - visible.length) * ROW}px`;
    this.place([this.above, ...[...rows.values()].map((row) => row.node), this.below]);
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    visible.forEach((job, at) => rows.get(job.id_str).node.setAttribute("aria-rowindex", first + at + 2));
  }

  /** Put the rows in place, moving none that is there already: focus stays where it is. */
  place(nodes) {
    const wanted = new Set(nodes);
    for (const node of [...this.body.children]) if (!wanted.has(node)) node.remove();
    let at = this.body.firstChild;
    for (const node of nodes) {
      if (node === at) at = at.nextSibling;
      else this.body.insertBefore(node, at);
    }
  }

  makeRow(id) {
    const cell = (name = "") => element("td", { className: name });
    const link = element("a", { className: "mono", href: `/jobs/${id}` });
    const state = element("span", { className: "state" });
    const button = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
    button.addEventListener("click", () => this.onCancel(this.jobs.get(id), button));
    const row = {
      link, state, button, job: null,
      name: cell(), user: cell("wider"), tasks: cell("num wide"), cores: cell("num wider"), time: cell("num"),
      submitted: cell("num wide soft"),
    };
    row.sub = element("span", { className: "sub" });
    const first = cell();
    first.append(link, row.sub);
    const third = cell();
    third.append(state);
    const last = cell();
    last.append(button);
    row.node = element("tr", { className: "job" }, first, row.name, third, row.user, row.tasks, row.cores, row.time, row.submitted, last);
    row.node.dataset.id = id;
    return row;
  }

  tick() {
    for (const row of this.rows.values()) {
      if (row.job.t_run && !row.job.t_cleanup) set(row.time, duration(runtime(row.job)));
    }
  }
}

function pad() {
  const row = element("tr", { className: "pad" }, element("td"));
  row.setAttribute("aria-hidden", "true");
  return row;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function fill(row, job) {
  const { kind, word } = status(job);
  row.job = job;
  set(row.link, job.jobid);
  set(row.name, job.name);
  set(row.sub, job.name);
  row.name.title = job.name;
  set(row.state, job.status === "FAILED" && job.returncode > 0 ? `${word} (${job.returncode})` : word);
  row.state.className = `state ${kind}`;
  row.state.title = job.exception;
  set(row.user, job.user);
  set(row.tasks, String(job.ntasks ?? ""));
  set(row.cores, String(job.ncores ?? ""));
  set(row.time, duration(runtime(job)));
  set(row.submitted, when(job.t_submit));
  row.button.hidden = !isActive(job);
  row.button.setAttribute("aria-label", `Cancel ${job.name} ${job.jobid}`);
}
