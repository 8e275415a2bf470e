// SPDX-License-Identifier: LGPL-3.0-or-later
/** What can be done with one job or many, and the bar that offers it for those that are selected. */

import * as api from "../net/api.js";
import { plural } from "../model/format.js";
import { signals } from "../model/status.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, toast } from "../view/parts.js";

/** @typedef {import("../model/types.js").Job} Job */

/** Do something with jobs, and say what came of it. @param {string} name @param {string[]} ids @param {string} done @param {any} [body] */
export async function perform(name, ids, done, body = {}) {
  try {
    if (ids.length === 1) {
      await api.act(ids[0], name, body);
      toast(`${ids[0]} ${done}.`);
      return;
    }
    const { items, done: number } = await api.actOnMany({ action: name, ids, arguments: body });
    const failed = items.filter((/** @type {any} */ item) => item.status !== 200);
    if (number) toast(`${plural(number, "job")} ${done}.`);
    if (failed.length) toast(`${plural(failed.length, "job")} not: ${failed[0].problem?.detail ?? failed[0].status}`, { bad: true });
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { bad: true });
  }
}

/** Ask, then cancel. @param {Job[]} jobs */
export async function cancelJobs(jobs) {
  const [job] = jobs;
  const title = jobs.length === 1 ? `Cancel ${job.name || job.id}?` : `Cancel ${plural(jobs.length, "job")}?`;
  const text = jobs.length === 1 && job.state === "RUN"
    ? `${job.id} is running. Its processes are ended, and what it has not saved is lost.`
    : "What runs is ended, and what waits never starts. This cannot be taken back.";
  if (await ask({ title, text, yes: jobs.length === 1 ? "Cancel job" : "Cancel jobs", no: "Keep" })) {
    await perform("cancel", jobs.map((one) => one.id), "asked to end");
  }
}

/** Ask which signal, then send it. @param {string[]} ids */
export async function signalJobs(ids) {
  const field = h("select", {}, signals.map(({ name, words }) => h("option", { value: name, selected: name === "SIGTERM" }, `${name} – ${words}`)));
  const chosen = await ask({ title: ids.length === 1 ? `Send a signal to ${ids[0]}` : `Send a signal to ${plural(ids.length, "job")}`, yes: "Send", no: "Do not", field, label: "Signal", danger: false });
  if (chosen) await perform("signal", ids, `sent ${chosen}`, { signal: chosen });
}

/** Ask for the urgency, then set it. @param {string[]} ids @param {number} [current] */
export async function urgencyOfJobs(ids, current = 16) {
  const field = h("input", { type: "number", min: "0", max: "31", required: true, value: String(current) });
  const chosen = await ask({ title: "Set the urgency", text: "0 holds, 16 is usual, 31 puts first.", yes: "Set", no: "Leave", field, label: "Urgency", danger: false });
  if (chosen !== null && chosen !== "") await perform("urgency", ids, `now of urgency ${chosen}`, { urgency: Number(chosen) });
}

/** The bar of the selected jobs. @param {import("../view/table.js").Table} table @param {() => {jobs: Job[]}} known */
export function bulkBar(table, known) {
  const node = h("div", { class: "bulk", role: "toolbar", "aria-label": "Selected jobs", hidden: true });
  let drawn = -1;
  const ids = () => [...table.selected];
  const clear = () => table.selectLoaded(false);
  /** @param {string} name @param {string} done */
  const plain = (name, done) => async () => { await perform(name, ids(), done); clear(); };
  const cancel = async () => {
    const byId = new Map(known().jobs.map((job) => [job.id, job]));
    await cancelJobs(ids().map((id) => byId.get(id) ?? /** @type {any} */ ({ id, name: id, state: "" })));
    clear();
  };
  return {
    node,
    show() {
      const number = table.selected.size;
      if (number === drawn) return;
      drawn = number;
      node.hidden = number === 0;
      if (!number) return;
      fill(node, h("span", { class: "tabular", role: "status" }, `${number} selected`), h("span", { class: "sr" }, " "),
        action({ class: "small danger", on: { click: cancel } }, icon("stop"), "Cancel"),
        action({ class: "small", on: { click: plain("hold", "held") } }, icon("pause"), "Hold"),
        action({ class: "small", on: { click: plain("release", "released") } }, icon("play"), "Release"),
        action({ class: "small", on: { click: () => urgencyOfJobs(ids()) } }, "Urgency"),
        action({ class: "small", on: { click: () => signalJobs(ids()) } }, icon("signal"), "Signal"),
        h("button", { class: "quiet square small", "aria-label": "Clear the selection", on: { click: clear } }, icon("close")));
    },
  };
}
