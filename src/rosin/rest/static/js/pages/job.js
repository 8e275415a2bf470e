// SPDX-License-Identifier: LGPL-3.0-or-later
/** The page of one job. */

import * as api from "../net/api.js";
import { now, onEvent } from "../net/link.js";
import { date, duration, plural } from "../model/format.js";
import { commandOf } from "../model/jobform.js";
import { ending, isActive, isPending, runtime } from "../model/status.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { action, copyButton, failure, menu, stateView } from "../view/parts.js";
import { cancelJobs, perform, signalJobs, urgencyOfJobs } from "./bulk.js";
import { filesPanel } from "./jobfiles.js";
import { outputPanel } from "./joboutput.js";
import { specPanel } from "./jobspec.js";
import { terminalPanel } from "./jobterminal.js";
import { timelinePanel } from "./jobtimeline.js";
import { whyCard } from "./jobwhy.js";

/** @typedef {import("../model/types.js").Job} Job */

const DEFAULTS = { tab: "output" };
const TABS = { output: "Output", timeline: "Timeline", spec: "Jobspec", files: "Files", terminal: "Terminal" };

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export async function open(main, context) {
  context.title(context.id);
  let job = await load();
  if (!job) return;
  let { tab } = context.state(DEFAULTS);
  if (!(tab in TABS)) tab = "output";

  async function load() {
    try {
      return await api.getJob(context.id);
    } catch (error) {
      if (/** @type {any} */ (error).status !== 404) throw error;
      fill(main, failure(/** @type {Error} */ (error)));
      return null;
    }
  }

  const badge = h("span", { role: "status" });
  const clock = h("span", { class: "soft tabular" });
  const buttons = h("div", { class: "row" });
  const why = whyCard(job.id);
  const facts = h("dl", { class: "facts" });
  const phases = h("div");
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the job" });
  const panel = h("div", { role: "tabpanel", class: "stack" });
  /** @type {{node: HTMLElement, close?: () => void, update?: (job: any) => void} | null} */
  let open = null;
  fill(main,
    h("div", {},
      h("nav", { class: "crumbs", "aria-label": "Where this is" }, h("a", { href: "/jobs" }, "Jobs"), icon("right"), h("span", { class: "mono" }, job.id), copyButton(job.id, "Copy the id")),
      h("div", { class: "head" }, h("h1", {}, job.name || job.id), badge, clock, h("span", { class: "grow" }), buttons)),
    why.node,
    h("div", { class: "row" }, tabs),
    h("div", { class: "jobpage" }, panel,
      h("aside", { class: "stack", "aria-label": "Facts" },
        h("section", { class: "card" }, h("header", {}, h("h2", {}, "Job")), h("div", { class: "body stack" }, phases, commandBox(job), facts)))));
  context.title(job.name ? `${job.name} ${job.id}` : job.id);

  /** @param {string} name @param {boolean} [push] */
  function choose(name, push = true) {
    tab = name;
    if (push) context.save({ ...Object.fromEntries(new URLSearchParams(location.search)), tab }, DEFAULTS, true);
    open?.close?.();
    const make = { output: outputPanel, timeline: timelinePanel, spec: specPanel, files: filesPanel, terminal: terminalPanel }[tab] ?? outputPanel;
    open = make(job, context);
    fill(panel, open.node);
    showTabs();
  }

  function showTabs() {
    const names = Object.entries(TABS).filter(([name]) => name !== "terminal" || hasTerminal(job));
    fill(tabs, names.map(([name, title]) => h("button", { type: "button", role: "tab", "aria-selected": String(name === tab), tabIndex: name === tab ? 0 : -1, on: { click: () => choose(name), keydown: onTabKey } }, title)));
  }

  /** @param {KeyboardEvent} event */
  function onTabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = /** @type {HTMLElement[]} */ ([...tabs.children]);
    const at = (all.indexOf(/** @type {HTMLElement} */ (event.target)) + step + all.length) % all.length;
    all[at].click();
    /** @type {HTMLElement} */ (tabs.children[at]).focus();
  }

  let drawn = "";
  function show() {
    const text = JSON.stringify(job);
    if (text !== drawn) {
      drawn = text;
      fill(badge, stateView(job, true));
      fill(facts, factsOf(job));
      fill(phases, phasesOf(job));
      fill(buttons, buttonsOf(job));
      open?.update?.(job);
      why.update(job);
    }
    tick();
  }

  function tick() {
    const ran = runtime(job, now());
    const limit = job.duration ? ` of ${duration(job.duration)}` : "";
    setText(clock, ran === null ? (isPending(job) ? `for ${duration(Math.floor(now() / 1000 - job.t_submit))}` : "") : isActive(job) ? `${duration(Math.floor(ran))}${limit}` : duration(ran));
  }

  let asking = false;
  let again = false;
  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      try {
        job = await api.getJob(job.id);
        show();
      } catch {
        // The banner says what has gone; what is known stays.
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    } while (again && !context.signal.aborted);
    asking = false;
  }
  const stop = onEvent((name, data) => {
    const id = data?.id ?? data?.job?.id ?? data?.jobid;
    if (id === job.id || name === "snapshot" || name === "reset") refresh();
  });
  let wasLive = true;
  const onLink = () => {
    const live = document.documentElement.dataset.link === "live";
    if (live && !wasLive) refresh();
    wasLive = live;
  };
  addEventListener("rosin:link", onLink);
  const timer = setInterval(tick, 1000);
  choose(tab, false);
  show();
  if (isActive(job)) refresh();
  return () => {
    stop();
    clearInterval(timer);
    removeEventListener("rosin:link", onLink);
    open?.close?.();
    why.close();
  };
}

/** @param {any} job */
const hasTerminal = (job) => Boolean(job.jobspec?.attributes?.system?.shell?.options?.pty) && isActive(job);

/** @param {Job} job */
function buttonsOf(job) {
  /** @type {HTMLElement[]} */
  const found = [];
  const clone = h("a", { class: "button", href: `/jobs/submit?from=${encodeURIComponent(job.id)}` }, icon("again"), "Run again");
  if (!isActive(job)) return [clone];
  if (isPending(job)) {
    found.push(job.urgency === 0
      ? action({ on: { click: () => perform("release", [job.id], "released") } }, icon("play"), "Release")
      : action({ on: { click: () => perform("hold", [job.id], "held") } }, icon("pause"), "Hold"));
  }
  found.push(action({ class: "danger", on: { click: () => cancelJobs([job]) } }, icon("stop"), "Cancel job"));
  const more = h("button", { type: "button", class: "square", "aria-label": "More actions" }, icon("more"));
  const box = h("div", {}, more);
  menu(more, () => [
    action({ on: { click: () => signalJobs([job.id]) } }, icon("signal"), "Send a signal"),
    isPending(job) && action({ on: { click: () => urgencyOfJobs([job.id], job.urgency) } }, icon("up"), "Set the urgency"),
    h("a", { href: `/jobs/submit?from=${encodeURIComponent(job.id)}` }, icon("again"), "Run again with changes"),
  ], { label: "More actions" });
  return [...found, box];
}

/** What is run, as it was typed: the text of a shell keeps its lines. @param {any} job */
function commandBox(job) {
  const { text, shell } = commandOf(job);
  if (!text) return false;
  const box = h("pre", { class: "code", tabIndex: 0, "aria-label": "Command" }, text);
  return h("div", { class: "stack command" }, h("span", { class: "soft tiny" }, shell ? "Command, run in a shell" : job.script ? "Script" : "Command"), h("div", { class: "copy" }, box, copyButton(text, "Copy the command")));
}

/** @param {any} job */
function factsOf(job) {
  const gpus = job.gpus ?? job.ngpus;
  const amounts = [[job.nnodes, "node"], [job.ntasks, "task"], [job.ncores, "core"], [gpus, "GPU"]]
    .filter(([n]) => n).map(([n, word]) => `${n} ${word}${n === 1 ? "" : "s"}`).join(", ");
  const variables = Object.keys(job.environment ?? {}).length;
  const end = ending(job);
  const note = job.exception ? [job.exception.type, job.exception.note].filter(Boolean).join(": ") : "";
  /** @type {[string, Node | string | null | undefined | false][]} */
  const rows = [
    ["Directory", job.cwd && h("code", {}, job.cwd)],
    ["Environment", variables ? h("a", { href: `/jobs/${job.id}?tab=spec` }, plural(variables, "variable")) : ""],
    ["Resources", amounts],
    ["Hosts", job.nodelist],
    ["Ranks", job.ranks],
    ["Queue", job.queue], ["Bank", job.bank], ["Project", job.project],
    ["User", job.user],
    ["Urgency", job.urgency === 16 ? "" : String(job.urgency)],
    ["Priority", isPending(job) && job.priority != null ? String(job.priority) : ""],
    ["Depends on", job.dependencies?.length ? job.dependencies.join(", ") : ""],
    ["Exit", end], ["Exception", note],
    ["Submitted", date(job.t_submit)], ["Started", date(job.t_run)], ["Ended", date(job.t_inactive)],
    ["Limit", job.duration ? duration(job.duration) : "none"],
    ["Ends at latest", isActive(job) && job.expiration ? date(job.expiration) : ""],
  ];
  return rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

/** Waiting, running, ending: a bar of how long each took. @param {Job} job */
function phasesOf(job) {
  const end = job.t_inactive ?? now() / 1000;
  const parts = [["wait", "waited", job.t_submit, job.t_run ?? end], ["run", "ran", job.t_run, job.t_cleanup ?? end], ["end", "ended for", job.t_cleanup, end]];
  const found = parts.filter(([, , from]) => from).map(([kind, word, from, to]) => ({ kind, word, took: Math.max(0, Number(to) - Number(from)) }));
  const bar = h("div", { class: "phases", "aria-hidden": "true" }, found.map(({ kind, took }) => {
    const part = h("i", { class: String(kind) });
    part.style.flexGrow = String(Math.max(took, 0.001));
    return part;
  }));
  return [bar, h("p", { class: "soft tiny" }, found.map(({ word, took }) => `${word} ${duration(took)}`).join(" · "))];
}
