// SPDX-License-Identifier: LGPL-3.0-or-later
/** The page of jobs: a table of any number of them, current, filtered, sorted. */

import * as api from "../net/api.js";
import { now, onEvent } from "../net/link.js";
import { count, plural } from "../model/format.js";
import { JobList, PAGE } from "../model/joblist.js";
import { GROUPS, isActive, total } from "../model/status.js";
import { go } from "../router.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { action, blank, failure, menu } from "../view/parts.js";
import { Table } from "../view/table.js";
import { bulkBar, cancelJobs } from "./bulk.js";
import { COLUMNS, USUAL, chosen } from "./columns.js";

const DEFAULTS = { state: "", search: "", q: "", sort: "-id", cols: USUAL };
/** Milliseconds between two requests of rows that have changed. */
const PAUSE = 600;

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Jobs");
  let state = context.state(DEFAULTS);
  let list = newList();
  /** @type {Error | null} */
  let fault = null;

  function newList() {
    const made = new JobList((parameters) => {
      const group = GROUPS.find((one) => one.name === state.state);
      return api.listJobs({ search: state.search, q: state.q, state: group?.states ?? state.state, sort: state.sort, ...parameters }, context.signal);
    }, () => { if (made === list) show(); });
    return made;
  }

  const source = { get total() { return list.total; }, at: (/** @type {number} */ i) => list.at(i), indexOf: (/** @type {string} */ id) => list.indexOf(id) };
  const table = new Table(source, {
    now,
    columns: () => chosen(state.cols),
    onSort: (member) => change({ sort: state.sort === `-${member}` ? member : `-${member}` }),
    onRange: (first, last) => { range = [first, last]; if (last >= list.loaded) attempt(list.ensure(last)); },
    onOpen: (job) => go(`/jobs/${job.id}`),
    onSelect: () => bulk.show(),
    actions: (job) => isActive(job) && action({ class: "quiet square small", title: "Cancel", "aria-label": `Cancel ${job.name ?? ""} ${job.id}`, data: { part: "cancel" }, on: { click: () => cancelJobs([job]) } }, icon("stop")),
  });
  table.sort = state.sort;
  /** @type {[number, number]} */
  let range = [0, PAGE];
  const bulk = bulkBar(table, () => ({ jobs: [...list.jobs()] }));

  // -- above the table ---------------------------------------------------------------------------------------
  const search = h("input", { type: "search", value: state.search, placeholder: "Name, id, user, host, queue", "aria-label": "Search jobs", on: { input: later(() => change({ search: search.value.trim() }, false), 180) } });
  const expression = h("input", { class: "mono", value: state.q, spellcheck: false, placeholder: "user:ann and -name:test*", id: "q", "aria-describedby": "q-fault", on: { change: () => change({ q: expression.value.trim() }) } });
  const expressionRow = h("div", { class: "tools", hidden: !state.q }, h("div", { class: "field grow" }, h("label", { htmlFor: "q" }, "Query (RFC 35): attributes, comparisons, and, or, not"), expression, h("span", { class: "fault", id: "q-fault", role: "alert" })));
  const filterButton = h("button", { type: "button", class: "quiet square", title: "Query", "aria-label": "Query", "aria-pressed": String(Boolean(state.q)), on: { click: () => { expressionRow.hidden = !expressionRow.hidden; filterButton.setAttribute("aria-pressed", String(!expressionRow.hidden)); if (!expressionRow.hidden) expression.focus(); } } }, icon("filter"));
  const chips = GROUPS.map((group) => {
    const number = h("b");
    const chip = h("button", { type: "button", on: { click: () => change({ state: group.name }) } }, group.title, number);
    return { group, chip, number };
  });
  const columnsButton = h("button", { type: "button", class: "quiet square wideonly", title: "Columns", "aria-label": "Columns" }, icon("columns"));
  const shown = h("span", { role: "status" });
  const empty = h("div", { hidden: true });
  const card = h("section", { class: "card tablecard", "aria-label": "Jobs" },
    h("div", { class: "tools" },
      h("div", { class: "search" }, icon("search"), search, h("kbd", {}, "/")),
      h("div", { class: "tabs", role: "group", "aria-label": "States" }, chips.map(({ chip }) => chip)),
      h("span", { class: "grow" }), filterButton, columnsButton),
    expressionRow, table.node, empty, bulk.node, h("div", { class: "foot" }, shown));
  card.style.position = "relative";
  fill(main, h("div", { class: "head" }, h("h1", {}, "Jobs"), h("span", { class: "grow" }),
    h("a", { class: "button primary", href: "/jobs/submit" }, icon("plus"), "New job")), card);
  menu(columnsButton, () => [h("p", {}, "Columns"), ...COLUMNS.map((column) => {
    const box = h("input", { type: "checkbox", checked: chosen(state.cols).includes(column), on: { change: () => toggleColumn(column.name, box.checked) } });
    return h("label", {}, box, column.title);
  })], { keep: true, label: "Columns" });

  /** @param {string} name @param {boolean} on */
  function toggleColumn(name, on) {
    const names = COLUMNS.map((column) => column.name).filter((one) => (one === name ? on : chosen(state.cols).some((column) => column.name === one)));
    change({ cols: names.join(",") || USUAL });
  }

  // -- what changes ------------------------------------------------------------------------------------------
  /** @param {Partial<typeof DEFAULTS>} part @param {boolean} [push] */
  function change(part, push = true) {
    const before = state;
    state = { ...state, ...part };
    context.save(state, DEFAULTS, push);
    const narrowed = ["state", "search", "q"].some((name) => /** @type {any} */ (before)[name] !== /** @type {any} */ (state)[name]);
    if (narrowed) table.selectLoaded(false); // what is not shown must not be cancelled
    table.sort = state.sort;
    if (before.cols !== state.cols || before.sort !== state.sort) table.layout();
    if (before.cols === state.cols) begin();
    show();
  }

  function begin() {
    list = newList();
    fault = null;
    table.node.scrollTop = 0;
    table.topId = null;
    attempt(list.ensure(PAGE - 1));
  }

  /** @param {Promise<void>} work */
  function attempt(work) {
    work.then(() => { fault = null; }, (error) => {
      if (error.name === "AbortError") return;
      fault = error;
      show();
    });
  }

  function show() {
    for (const { group, chip, number } of chips) {
      chip.setAttribute("aria-pressed", String(group.name === state.state));
      if (list.ready) setText(number, count(total(list.counts, group.counts)));
    }
    const wrongQuery = fault && /** @type {any} */ (fault).status === 400 && state.q;
    setText(expressionRow.querySelector("#q-fault") ?? shown, wrongQuery && fault ? fault.message : "");
    expression.setAttribute("aria-invalid", String(Boolean(wrongQuery)));
    const nothing = list.ready && list.total === 0;
    const broken = fault !== null && !list.ready;
    table.node.hidden = nothing || broken;
    empty.hidden = !nothing && !broken;
    if (broken && fault) fill(empty, failure(fault, () => begin()));
    else if (nothing) fill(empty, emptyView());
    setText(shown, list.ready ? `${plural(list.total, "job")}${state.state || state.search || state.q ? " match" : ""}` : "Loading");
    bulk.show();
    table.change();
  }

  const emptyView = () => (state.state || state.search || state.q
    ? blank("No job matches", "Nothing of this instance fits what you look for.", { actions: [h("button", { on: { click: () => { search.value = expression.value = ""; change({ state: "", search: "", q: "" }); } } }, "Show all jobs")] })
    : blank("All is quiet", "There is no job yet. Submit one, and it shows up here by itself.", { sleeping: true, actions: [h("a", { class: "button primary", href: "/jobs/submit" }, icon("plus"), "New job")] }));

  // -- live --------------------------------------------------------------------------------------------------
  let asking = false;
  let again = false;
  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    do {
      again = false;
      await list.refresh(range[0], range[1]).catch((error) => { if (error.name !== "AbortError") fault = error; });
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    } while (again && !context.signal.aborted);
    asking = false;
  }
  const stop = onEvent((name, data) => {
    if (data?.job && list.update(data.job)) show();
    if (name !== "keepalive") refresh();
  });
  let wasLive = true;
  const onLink = () => {
    const live = document.documentElement.dataset.link === "live";
    if (live && !wasLive) refresh(); // what happened in between
    wasLive = live;
  };
  addEventListener("rosin:link", onLink);
  const clock = setInterval(() => table.tick(), 1000);

  table.layout();
  begin();
  show();
  return () => {
    stop();
    clearInterval(clock);
    removeEventListener("rosin:link", onLink);
  };
}

/** @param {() => void} task @param {number} pause */
function later(task, pause) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(task, pause);
  };
}
