// SPDX-License-Identifier: LGPL-3.0-or-later
/** The queues: what they take, what waits in them, and whether they are open and started. */

import * as api from "../net/api.js";
import { count, duration } from "../model/format.js";
import { fill, h } from "../view/dom.js";
import { action, ask, blank, toast } from "../view/parts.js";
import { live } from "../view/live.js";

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Queues");
  const body = h("section", { class: "card scroll" });
  fill(main, h("div", { class: "head" }, h("h1", {}, "Queues")), body);
  const refresh = live(body, () => api.getQueues(), draw, context.signal);

  /** @param {any} answer */
  function draw(answer) {
    const queues = answer.items;
    if (!queues.length) {
      fill(body, blank("No queue is configured", "All jobs wait in one line."));
      return;
    }
    const head = ["Queue", "New jobs", "Starts jobs", "Waiting", "Running", "Nodes", "Time limit", ""];
    fill(body, h("table", { class: "plain folds" }, h("thead", {}, h("tr", {}, head.map((title) => h("th", { scope: "col" }, title || h("span", { class: "sr" }, "Actions"))))),
      h("tbody", {}, queues.map(row))));
  }

  /** @param {any} queue */
  function row(queue) {
    const label = queue.name || "(the one queue)";
    const { counts } = queue;
    const pending = counts.new + counts.depend + counts.priority + counts.sched;
    const running = counts.run + counts.cleanup;
    const word = (/** @type {boolean} */ on, /** @type {string} */ yes, /** @type {string} */ no, /** @type {string} */ reason) => h("span", { class: `state ${on ? "good" : "wait"}`, title: reason ?? "" }, on ? yes : no, !on && reason ? h("span", { class: "soft" }, `: ${reason}`) : false);
    return h("tr", {}, h("th", { scope: "row" }, queue.name ? h("a", { href: `/jobs?q=queue:${encodeURIComponent(queue.name)}` }, label) : label, queue.default ? [" ", h("span", { class: "pill" }, "default")] : []),
      h("td", { data: { label: "New jobs" } }, word(queue.enabled, "open", "closed", queue.disable_reason)), h("td", { data: { label: "Starts jobs" } }, word(queue.started && !queue.blocked, "yes", queue.started ? "blocked" : "stopped", queue.blocked ?? queue.stop_reason)),
      h("td", { class: "tabular", data: { label: "Waiting" } }, count(pending)), h("td", { class: "tabular", data: { label: "Running" } }, count(running)),
      h("td", { class: "tabular", data: { label: "Nodes in use" } }, `${count(queue.resources.allocated.nodes)} of ${count(queue.resources.all.nodes)}`),
      h("td", { data: { label: "Time limit" } }, duration(queue.limits.duration) || "none"),
      h("td", {}, h("div", { class: "row acts" },
        queue.enabled ? action({ class: "small", on: { click: () => change(queue, "disable", true) } }, "Close") : action({ class: "small", on: { click: () => change(queue, "enable") } }, "Open"),
        queue.started ? action({ class: "small", on: { click: () => change(queue, "stop", true) } }, "Stop") : action({ class: "small", on: { click: () => change(queue, "start") } }, "Start"))));
  }

  /** @param {any} queue @param {string} verb @param {boolean} [why] */
  async function change(queue, verb, why = false) {
    /** @type {Record<string, any>} */
    const given = {};
    if (why) {
      const field = h("input", { placeholder: "such as: maintenance until noon", required: true });
      const what = verb === "stop" ? "No job of it starts until it is started again." : "It takes no more jobs until it is opened again.";
      const reason = await ask({ title: `${verb === "stop" ? "Stop" : "Close"} ${queue.name || "the queue"}?`, text: what, yes: verb === "stop" ? "Stop" : "Close", no: "Leave", field, label: "Reason, for those who wait" });
      if (reason === null) return;
      if (reason.trim()) given.reason = reason.trim();
    }
    try {
      await api.actOnQueue(queue.name || "all", verb, given);
      toast("Done.");
      refresh();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
  }
}
