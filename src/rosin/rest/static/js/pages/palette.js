// SPDX-License-Identifier: LGPL-3.0-or-later
/** The palette: any page, action or job by a few letters of its name. */

import * as api from "../net/api.js";
import { score } from "../model/fuzzy.js";
import { go } from "../router.js";
import { fill, h, icon } from "../view/dom.js";
import { stateView } from "../view/parts.js";

/** @typedef {{title: string, icon?: Node, hint?: string, run: () => void}} Entry */

/** Jobs that are offered. */
const JOBS = 8;
const PAUSE = 120;

/** @param {Entry[]} fixed pages and actions */
export function openPalette(fixed) {
  if (document.querySelector("dialog")) return;
  const list = h("div", { class: "choices", role: "listbox", id: "palette-list", "aria-label": "Found" });
  const field = h("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", "aria-label": "Page, action or job", placeholder: "Page, action or job", autocomplete: "off", spellcheck: false });
  const dialog = h("dialog", { class: "palette", "aria-label": "Palette" }, h("div", { class: "search" }, icon("search"), field), list);
  /** @type {Entry[]} */
  let jobs = [];
  /** @type {Entry[]} */
  let shown = [];
  let at = 0;
  let abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function draw() {
    const text = field.value.trim();
    const ranked = fixed.map((entry) => ({ entry, rank: score(entry.title, text) })).filter(({ rank }) => rank > 0).sort((a, b) => b.rank - a.rank);
    shown = [...ranked.map(({ entry }) => entry), ...jobs];
    at = Math.min(at, Math.max(0, shown.length - 1));
    fill(list, shown.length ? shown.map(row) : h("p", { class: "soft" }, "Nothing is called like that."));
    mark();
  }

  /** @param {Entry} entry @param {number} i */
  const row = (entry, i) => h("div", { role: "option", id: `choice-${i}`, on: { click: () => choose(i), pointermove: () => { at = i; mark(); } } },
    entry.icon ?? icon("right"), h("span", { class: "clip grow" }, entry.title), entry.hint && h("span", { class: "soft tiny mono" }, entry.hint));

  function mark() {
    [...list.querySelectorAll("[role=option]")].forEach((node, i) => node.setAttribute("aria-selected", String(i === at)));
    if (shown.length) field.setAttribute("aria-activedescendant", `choice-${at}`);
    else field.removeAttribute("aria-activedescendant");
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} i */
  function choose(i) {
    const entry = shown[i];
    if (!entry) return;
    dialog.close();
    entry.run();
  }

  async function look() {
    abort.abort();
    abort = new AbortController();
    const search = field.value.trim();
    try {
      const { items } = search ? await api.listJobs({ search, limit: JOBS, counts: false }, abort.signal) : { items: [] };
      jobs = items.map((job) => ({ title: job.name || job.id, icon: stateView(job), hint: job.id, run: () => go(`/jobs/${job.id}`) }));
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      jobs = []; // pages and actions are still there; the banner says what has gone
    }
    draw();
  }

  field.addEventListener("input", () => {
    at = 0;
    draw();
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && shown.length) at = (at + step + shown.length) % shown.length;
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
    mark();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    clearTimeout(timer);
    abort.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  draw();
  dialog.showModal();
  field.focus();
}
