// SPDX-License-Identifier: LGPL-3.0-or-later
/** What runs, what waits and why, and how much of everything is in use. */

import * as api from "../net/api.js";
import { now } from "../net/link.js";
import { count, date, duration, when } from "../model/format.js";
import { ending, runtime } from "../model/status.js";
import { fill, h, icon } from "../view/dom.js";
import { blank, figure, stateView, withJobs } from "../view/parts.js";
import { chart } from "../view/chart.js";
import { live } from "../view/live.js";

/** Without a span the chart begins with the instance, or a day ago. */
const DEFAULTS = { span: "" };
const SPANS = [["", "All"], ["900", "15 min"], ["3600", "1 hour"], ["21600", "6 hours"], ["86400", "1 day"], ["604800", "1 week"]];

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Overview");
  let state = context.state(DEFAULTS);
  if (!SPANS.some(([span]) => span === state.span)) state = DEFAULTS;
  const body = h("div", { class: "stack" });
  const spans = h("div", { class: "tabs", role: "group", "aria-label": "Time shown" }, SPANS.map(([span, title]) =>
    h("button", { type: "button", "aria-pressed": String(span === state.span), data: { span }, on: { click: () => choose(span) } }, title)));
  fill(main, h("div", { class: "head" }, h("h1", {}, "Overview"), h("span", { class: "grow" }), spans, h("a", { class: "button primary", href: "/jobs/submit" }, icon("plus"), "New job")), body);
  /** @type {any} */
  let known = null;
  /** @type {number | null} */
  let begin = null;
  const refresh = live(body, () => overview(), (data) => { known = data; draw(); }, context.signal);
  const timer = setInterval(() => { if (known) tick(); }, 1000);

  async function overview() {
    if (!state.span) begin ??= (await api.getInstance()).start ?? Date.now() / 1000 - 900;
    const age = Math.ceil(now() / 1000 - (begin ?? 0));
    return api.getOverview({ span: state.span || Math.max(60, Math.min(86_400, age)), points: 120 });
  }

  /** @param {string} span */
  function choose(span) {
    state = { span };
    context.save(state, DEFAULTS, true);
    for (const button of spans.children) button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.span === span));
    refresh();
  }

  function tick() {
    for (const node of body.querySelectorAll("[data-clock]")) {
      const job = known.running.find((/** @type {any} */ one) => one.id === /** @type {HTMLElement} */ (node).dataset.clock);
      if (job) node.textContent = duration(Math.floor(runtime(job, now()) ?? 0));
    }
  }

  function draw() {
    const { counts, resources, utilisation, running, waiting, failed } = known;
    if (!counts.total) {
      spans.hidden = true;
      fill(body, figures(counts, resources), h("section", { class: "card" }, blank("All is quiet", "No job has been submitted yet. What runs and waits shows up here by itself.", { sleeping: true, actions: [h("a", { class: "button primary", href: "/jobs/submit" }, icon("plus"), "New job")] })));
      return;
    }
    const { start, step } = utilisation;
    spans.hidden = false;
    fill(body,
      figures(counts, resources),
      h("div", { class: "columns" },
        h("section", { class: "card half" }, h("header", {}, h("h2", { class: "grow" }, "Cores in use")), h("div", { class: "body" },
          chart([{ name: "cores", color: "var(--accent-fill)", values: utilisation.cores }], { most: resources.all.cores, start, step, label: "Cores in use over time", unit: "cores" }))),
        h("section", { class: "card half" }, h("header", {}, h("h2", { class: "grow" }, "Jobs")), h("div", { class: "body" },
          chart([{ name: "waiting", color: "var(--wait)", values: utilisation.pending }, { name: "running", color: "var(--run)", values: utilisation.running }], { start, step, label: "Jobs over time", unit: "jobs" })))),
      h("div", { class: "columns" },
        list("Running", "/jobs?state=running", counts.run + counts.cleanup, running.map(runningItem), "Nothing runs."),
        list("Waiting, and why", "/jobs?state=waiting", counts.depend + counts.priority + counts.sched, waiting.map(waitingItem), "Nothing waits."),
        list("Failed last", "/jobs?state=failed", counts.failed + counts.timeout, failed.map(failedItem), "Nothing has failed.")));
  }
  return () => clearInterval(timer);
}

const KINDS = { nodes: "Nodes", cores: "Cores", gpus: "GPUs" };

/** @param {any} counts @param {any} resources */
function figures(counts, resources) {
  const { allocated, up, all } = resources;
  const jobs = [["Running", counts.run + counts.cleanup, "/jobs?state=running"], ["Waiting", counts.depend + counts.priority + counts.sched + (counts.new ?? 0), "/jobs?state=waiting"]];
  const amounts = Object.entries(KINDS).filter(([kind]) => all[kind]);
  return h("div", { class: "figures", data: { n: 2 + amounts.length } },
    jobs.map(([title, number, href]) => h("a", { class: "card figure", href }, h("span", { class: "label" }, title), h("strong", {}, count(number)))),
    amounts.map(([kind, title]) => h("a", { class: "card figure", href: "/resources" }, figure(title, allocated[kind], up[kind], all[kind]))));
}

/** @param {string} title @param {string} href @param {number} total @param {Node[]} items @param {string} none */
function list(title, href, total, items, none) {
  return h("section", { class: "card third" }, h("header", {}, h("h2", { class: "grow" }, title), total ? h("a", { class: "tiny", href }, `All ${count(total)}`) : false),
    items.length ? h("ul", { class: "list" }, items) : h("p", { class: "soft body" }, none));
}

/** @param {any} job */
const name = (job) => h("a", { class: "clip", href: `/jobs/${job.id}` }, job.name || job.id);

/** @param {any} job */
const runningItem = (job) => h("li", {}, h("div", { class: "grow" }, h("div", { class: "clip" }, name(job)), h("div", { class: "soft tiny clip" }, [job.user, job.nodelist].filter(Boolean).join(" · "))),
  h("span", { class: "soft tabular", data: { clock: job.id } }, duration(Math.floor(runtime(job, now()) ?? 0))));

/** @param {any} item */
function waitingItem({ job, sentences, t_estimate: estimate }) {
  const why = sentences[0] ?? "The scheduler has not looked at it yet.";
  return h("li", {}, h("div", { class: "grow" }, h("div", { class: "clip" }, name(job)), h("div", { class: "soft tiny" }, withJobs(why)), estimate ? h("div", { class: "soft tiny", title: date(estimate) }, `Expected at ${when(estimate)}`) : false));
}

/** @param {any} job */
const failedItem = (job) => h("li", {}, h("div", { class: "grow" }, h("div", { class: "clip" }, name(job)), h("div", { class: "soft tiny" }, job.status === "TIMEOUT" ? "reached its time limit" : job.exception?.note || ending(job))),
  h("div", { class: "tiny" }, stateView(job), h("div", { class: "soft num", title: date(job.t_inactive) }, when(job.t_inactive))));
