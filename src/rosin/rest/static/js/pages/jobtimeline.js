// SPDX-License-Identifier: LGPL-3.0-or-later
/** All event logs of a job as one line of time. */

import * as api from "../net/api.js";
import { onEvent } from "../net/link.js";
import { date, duration } from "../model/format.js";
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

/** @param {any} job */
export function timelinePanel(job) {
  const body = h("div", { class: "body" }, skeleton(6));
  const node = h("section", { class: "card" }, h("header", {}, h("h2", {}, "Timeline"), h("span", { class: "soft tiny" }, `from ${date(job.t_submit)}`)), body);
  let closed = false;
  let busy = false;

  async function load() {
    if (busy) return;
    busy = true;
    try {
      const { items } = await api.getTimeline(job.id);
      if (closed) return;
      const begin = items[0]?.timestamp ?? job.t_submit;
      if (!items.length) fill(body, blank("Nothing has happened yet"));
      else fill(body, h("ol", { class: "timeline" }, items.map((/** @type {any} */ item) => entry(item, begin))));
    } catch (error) {
      if (!closed) fill(body, failure(/** @type {Error} */ (error), load));
    } finally {
      busy = false;
    }
  }

  /** @param {any} item @param {number} begin */
  function entry(item, begin) {
    return h("li", { class: KINDS[item.name] ?? "" },
      h("time", { title: date(item.timestamp) }, `+${duration(item.timestamp - begin) || "0s"}`),
      h("div", { class: "what" }, WORDS[item.name] ?? item.name, h("span", {}, `${item.log} ${item.name}${detail(item.context) ? ` · ${detail(item.context)}` : ""}`)));
  }

  const stop = onEvent((_, data) => {
    if ((data?.id ?? data?.job?.id ?? data?.jobid) === job.id) load();
  });
  load();
  return { node, update: () => { load(); }, close: () => { closed = true; stop(); } };
}
