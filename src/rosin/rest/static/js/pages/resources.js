// SPDX-License-Identifier: LGPL-3.0-or-later
/** A map of nodes, cores and GPUs, with what runs where. */

import * as api from "../net/api.js";
import { count, date, sentence } from "../model/format.js";
import { numbers } from "../model/idset.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, blank, figure, toast } from "../view/parts.js";
import { live } from "../view/live.js";

const DEFAULTS = { state: "", host: "" };
const STATES = { "": "All", free: "Free", busy: "Busy", full: "Full", drained: "Drained", down: "Down" };
/** Nodes that are drawn; the filter reaches the others. */
const MOST = 500;
/** Cores of a node that are drawn one by one. */
const CELLS = 256;

/** Hues that tell jobs apart; names and links do so, too. */
const HUES = [28, 200, 140, 330, 265, 95, 0, 175, 235, 55];

/** The colour of a job. @param {string} id */
function colorOf(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  const hue = HUES[sum % HUES.length];
  return `light-dark(hsl(${hue} 55% 46%), hsl(${hue} 58% 62%))`;
}

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Resources");
  let state = context.state(DEFAULTS);
  const body = h("div", { class: "stack" });
  const chips = Object.entries(STATES).map(([value, title]) => h("button", { type: "button", data: { value }, "aria-pressed": String(value === state.state), on: { click: () => change({ state: value }) } }, title));
  const host = h("input", { type: "search", value: state.host, placeholder: "Hosts: node[1-16]", "aria-label": "Hosts", spellcheck: false, on: { change: () => change({ host: host.value.trim() }) } });
  fill(main, h("div", { class: "head" }, h("h1", {}, "Resources")), h("section", { class: "card" }, h("div", { class: "tools" },
    h("div", { class: "search" }, icon("search"), host), h("div", { class: "tabs", role: "group", "aria-label": "States of nodes" }, chips)), body));
  const refresh = live(body, () => api.getResources({ ...state, limit: MOST }), draw, context.signal);

  /** @param {Partial<typeof DEFAULTS>} part */
  function change(part) {
    state = { ...state, ...part };
    context.save(state, DEFAULTS, true);
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.value === state.state));
    refresh();
  }

  /** @param {any} map */
  function draw(map) {
    const kinds = ["nodes", "cores", "gpus"].filter((kind) => map.all[kind]);
    const sums = kinds.map((kind) => h("div", { class: "figure" }, figure(kind === "gpus" ? "GPUs" : sentence(kind), map.allocated[kind], map.up[kind], map.all[kind])));
    const more = map.total > map.nodes.length ? h("p", { class: "note" }, `${count(map.nodes.length)} of ${count(map.total)} nodes are drawn: say which hosts to see others.`) : false;
    const nodes = map.nodes.length ? h("div", { class: "nodes" }, map.nodes.map(nodeView)) : blank("No such node", "No node is in that state or has that name.");
    fill(body, h("div", { class: "figures", data: { n: sums.length } }, sums), more, nodes);
  }

  /** @param {any} node */
  function nodeView(node) {
    const drained = node.drain !== null && node.drain !== undefined;
    const word = /** @type {Record<string, string>} */ ({ free: "off", busy: "run", full: "run", down: "bad", drained: "wait", draining: "wait", excluded: "off" })[node.state] ?? "off";
    const toggle = drained
      ? action({ class: "quiet small", on: { click: () => change_node(api.undrain({ targets: String(node.rank) }), `${node.host} takes jobs again.`) } }, "Undrain")
      : action({ class: "quiet small", on: { click: () => drainNode(node) } }, "Drain");
    return h("section", { class: `node ${node.state === "down" ? "down" : ""}`, "aria-label": node.host },
      h("header", {}, h("strong", { class: "clip grow" }, node.host), h("span", { class: `state ${word} tiny` }, node.state)),
      cells(node),
      h("div", { class: "soft tiny tabular" }, `${node.cores_used} of ${node.ncores} cores${node.ngpus ? `, ${node.gpus_used} of ${node.ngpus} GPUs` : ""}`, node.properties.length ? ` · ${node.properties.join(", ")}` : ""),
      drained ? h("div", { class: "tiny" }, `Drained ${date(node.drain.timestamp)}${node.drain.reason ? `: ${node.drain.reason}` : ""}`) : false,
      node.jobs.length ? h("ul", { class: "list tiny" }, node.jobs.slice(0, 6).map(share), node.jobs.length > 6 ? h("li", {}, `and ${node.jobs.length - 6} more`) : false) : false,
      h("footer", {}, toggle));
  }

  /** @param {any} job */
  function share(job) {
    const mark = h("i", { class: "used" });
    mark.style.setProperty("--c", colorOf(job.id));
    const box = h("span", { class: "cells", "aria-hidden": "true" }, mark);
    const item = h("li", {}, box, h("a", { class: "clip grow", href: `/jobs/${job.id}` }, job.name || job.id), h("span", { class: "soft" }, job.user));
    item.style.padding = ".25rem 0";
    return item;
  }

  /** @param {Promise<any>} work @param {string} done */
  async function change_node(work, done) {
    try {
      await work;
      toast(done);
      refresh();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
  }

  /** @param {any} node */
  async function drainNode(node) {
    const field = h("input", { placeholder: "such as: bad memory" });
    const reason = await ask({ title: `Drain ${node.host}?`, text: "Its jobs go on to their end, and no other starts there until it is undrained.", yes: "Drain", no: "Leave", field, label: "Reason" });
    if (reason !== null) change_node(api.drain({ targets: String(node.rank), ...(reason.trim() && { reason: reason.trim() }) }), `${node.host} takes no more jobs.`);
  }
}

/** @param {any} node */
function cells(node) {
  /** @type {Map<number, any>} */
  const cores = new Map();
  /** @type {Map<number, any>} */
  const gpus = new Map();
  for (const job of node.jobs) {
    for (const n of numbers(job.cores)) cores.set(n, job);
    for (const n of numbers(job.gpus)) gpus.set(n, job);
  }
  const cell = (/** @type {any} */ job, /** @type {string} */ kind) => {
    if (!job) return h("i", { class: kind });
    const link = h("a", { class: `used ${kind}`, href: `/jobs/${job.id}`, title: `${job.name ?? ""} ${job.id}`, "aria-label": `${job.name ?? ""} ${job.id}`, tabIndex: -1 });
    link.style.setProperty("--c", colorOf(job.id));
    return link;
  };
  return h("div", { class: "cellrows", "aria-hidden": "true" },
    h("div", { class: "cells" }, numbers(node.cores).slice(0, CELLS).map((n) => cell(cores.get(n), "core"))),
    node.ngpus ? h("div", { class: "cells" }, numbers(node.gpus).slice(0, CELLS).map((n) => cell(gpus.get(n), "gpu"))) : false);
}
