// SPDX-License-Identifier: LGPL-3.0-or-later
/** All event logs of a job as one line of time. */

import * as api from "../net/api.js";
import { onEvent } from "../net/link.js";
import { plainText } from "../model/ansi.js";
import { date, duration, size } from "../model/format.js";
import { fill, h } from "../view/dom.js";
import { blank, failure, skeleton } from "../view/parts.js";

/** @type {Record<string, string>} */
const WORDS = {
  submit: "Submitted", validate: "Checked", depend: "Dependencies are met", priority: "Given its priority", alloc: "Given its resources",
  start: "Started", finish: "Finished", release: "Resources given back", free: "Resources are free", clean: "Cleaned up", exception: "Exception",
  urgency: "Urgency changed", "jobspec-update": "Changed", "resource-update": "Resources changed", memo: "Noted", "dependency-add": "Depends on",
  "dependency-remove": "Dependency met", "prolog-start": "Prolog begins", "prolog-finish": "Prolog ends", "epilog-start": "Epilog begins", "epilog-finish": "Epilog ends",
  init: "Job shells started", starting: "Tasks are starting", "shell.init": "The shell is ready", "shell.start": "Tasks started", "shell.task-exit": "A task ended",
  complete: "Tasks ended", done: "Job shells ended",
};
/** @type {Record<string, string>} */
const KINDS = { exception: "bad", start: "run", "shell.start": "run", clean: "good" };

/** @param {any} context */
const detail = (context) => Object.entries(context ?? {}).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");

const DEFAULTS = { talk: "" };

/** @param {any} job @param {import("../router.js").Context} context */
export function timelinePanel(job, context) {
  let { talk } = context.state(DEFAULTS);
  const talking = h("input", { type: "checkbox", checked: talk === "1", on: { change: () => {
    talk = talking.checked ? "1" : "";
    context.save({ ...Object.fromEntries(new URLSearchParams(location.search)), talk }, DEFAULTS);
    again = true;
    load();
  } } });
  const body = h("div", { class: "body" }, skeleton(6));
  const node = h("section", { class: "card" }, h("header", {}, h("h2", {}, "Timeline"), h("span", { class: "soft tiny grow" }, `from ${date(job.t_submit)}`), h("label", { class: "check" }, talking, "Input and output")), body);
  let closed = false;
  let busy = false;
  let again = false;

  async function load() {
    if (busy) { again = true; return; }
    busy = true;
    again = false;
    try {
      const { items, complete } = await api.getTimeline(job.id, talk === "1" ? "job,exec,input,output" : "job,exec");
      if (closed) return;
      const begin = items[0]?.timestamp ?? job.t_submit;
      if (!items.length) fill(body, blank("Nothing has happened yet"));
      else fill(body, h("ol", { class: "timeline" }, items.map((/** @type {any} */ item) => entry(item, begin))), complete ? false : h("p", { class: "note" }, "Only the first 500 pieces of input and output are shown: the tab Output has all."));
    } catch (error) {
      if (!closed) fill(body, failure(/** @type {Error} */ (error), load));
    } finally {
      busy = false;
      if (again && !closed) load();
    }
  }

  /** @param {any} item @param {number} begin */
  function entry(item, begin) {
    if (item.log === "input" || item.log === "output") return piece(item, begin);
    return h("li", { class: KINDS[item.name] ?? "" },
      h("time", { title: date(item.timestamp) }, `+${duration(item.timestamp - begin) || "0s"}`),
      h("div", { class: "what" }, WORDS[item.name] ?? item.name, h("span", {}, `${item.log} ${item.name}${detail(item.context) ? ` · ${detail(item.context)}` : ""}`)));
  }

  /** What was read or written. @param {any} item @param {number} begin */
  function piece({ log, timestamp, context: { stream, rank, bytes, text } }, begin) {
    const words = log === "input" ? `Task ${rank} was given` : stream === "stderr" ? `Task ${rank} wrote an error` : stream === "stdout" ? `Task ${rank} wrote` : "The job shell said";
    return h("li", { class: "talk" }, h("time", { title: date(timestamp) }, `+${duration(timestamp - begin) || "0s"}`),
      h("div", { class: "what" }, words, h("span", {}, `${log} ${stream} · ${size(bytes)}`), text && h("pre", { class: "code" }, plainText(text.replace(/\n$/, "")).slice(0, 200))));
  }

  const stop = onEvent((_, data) => {
    if ((data?.id ?? data?.job?.id ?? data?.jobid) === job.id) load();
  });
  load();
  return { node, update: () => { load(); }, close: () => { closed = true; stop(); } };
}
