// SPDX-License-Identifier: LGPL-3.0-or-later
/** What happens, as it happens. */

import { onEvent } from "../net/link.js";
import { count, date } from "../model/format.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { blank } from "../view/parts.js";

const DEFAULTS = { name: "", search: "" };
/** Events that are kept; the API has the stream for programs. */
const KEPT = 500;

/** @param {any} context */
const detail = (context) => Object.entries(context ?? {}).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`).join(" ");

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Events");
  let state = context.state(DEFAULTS);
  /** @type {{time: number, id: string, name: string, job: string, text: string}[]} */
  const kept = [];
  let total = 0;
  let paused = false;
  const search = h("input", { type: "search", value: state.search, placeholder: "Text in name, job or context", "aria-label": "Search events", on: { input: () => { state = { ...state, search: search.value }; context.save(state, DEFAULTS); draw(); } } });
  const pause = h("button", { type: "button", "aria-pressed": "false", on: { click: () => { paused = !paused; pause.setAttribute("aria-pressed", String(paused)); fill(pause, icon(paused ? "play" : "pause"), paused ? "Go on" : "Pause"); if (!paused) draw(); } } }, icon("pause"), "Pause");
  const rows = h("tbody");
  const table = h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ["Time", "Event", "Job", "Context"].map((title) => h("th", { scope: "col" }, title)))), rows);
  const empty = h("div");
  const number = h("span", { role: "status" });
  fill(main, h("div", { class: "head" }, h("h1", {}, "Events"), h("span", { class: "grow" }), pause),
    h("section", { class: "card" }, h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), search), h("span", { class: "grow" }), h("span", { class: "soft tiny" }, number)), h("div", { class: "scroll" }, table), empty));

  /** @type {number} */
  let frame = 0;
  function draw() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      const needle = state.search.toLowerCase();
      const found = kept.filter((one) => `${one.name} ${one.id} ${one.job} ${one.text}`.toLowerCase().includes(needle));
      table.hidden = !found.length;
      setText(number, `${count(total)} since this page was opened`);
      fill(empty, found.length ? false : blank(total ? "No event matches" : "Nothing has happened yet", total ? "" : "Events appear here as they happen, newest first.", { sleeping: !total }));
      fill(rows, found.slice(0, 200).map((one) => h("tr", {}, h("td", { class: "soft tabular" }, date(one.time)), h("td", {}, one.name),
        h("td", {}, one.id ? h("a", { href: `/jobs/${one.id}` }, one.job || one.id) : ""), h("td", { class: "mono soft" }, one.text.slice(0, 400)))));
    });
  }

  const stop = onEvent((name, data) => {
    const id = data?.id ?? data?.jobid ?? "";
    if (!data || !id) return;
    total += 1;
    kept.unshift({ time: data.timestamp ?? Date.now() / 1000, id: String(id), name: data.name ?? name, job: data.job?.name ?? "", text: detail(data.context) });
    if (kept.length > KEPT) kept.length = KEPT;
    if (!paused) draw();
  });
  draw();
  return () => { stop(); cancelAnimationFrame(frame); };
}
