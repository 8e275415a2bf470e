// SPDX-License-Identifier: LGPL-3.0-or-later
/** The output of a job: follow, scroll, search, filter, link to a line, download. */

import * as api from "../net/api.js";
import { isLive, onWritten } from "../net/link.js";
import { jobPath } from "../net/paths.js";
import { plural } from "../model/format.js";
import { LogSource } from "../model/logsource.js";
import { isActive, isPending } from "../model/status.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { blank, failure, menu } from "../view/parts.js";
import { LogView } from "../view/logview.js";
import { plainText } from "../model/ansi.js";
import { Scan } from "../model/scan.js";
import { Finder, matcherOf } from "./find.js";

const DEFAULTS = { stream: "", rank: "", grep: "", grepx: "", find: "", regex: "", times: "", wrap: "1", line: "" };
const NO_FILTER = { stream: "", rank: "", grep: "", grepx: "" };
/** Milliseconds between looks for more output while the job runs and the server has not told of any. */
const LATE = 15_000;

/** @param {any} job @param {import("../router.js").Context} context */
export function outputPanel(job, context) {
  let state = context.state(DEFAULTS);
  let closed = false;
  let current = job;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let looking = false;
  let more = false;
  const end = new AbortController();

  /** Lines of the server. @param {number} start @param {number} amount @param {string} [search] */
  const plain = (start, amount, search = "") => api.getLines(job.id, start, amount, { ...(state.stream && { stream: state.stream }), rank: state.rank, ...(search && { search, ignore_case: true }) }, end.signal);
  /** Lines that the filter leaves. @type {import("./find.js").Fetch} */
  let fetch = plain;
  const newSource = () => {
    const pattern = state.grepx === "1" ? matcherOf(state.grep, true, "iu") : null;
    const scan = pattern && new Scan(plain, pattern, plainText);
    fetch = scan ? (start, amount) => scan.page(start, amount) : state.grep ? (start, amount, search) => plain(start, amount, search || state.grep) : plain;
    /** @type {LogSource} */
    const made = new LogSource((start, amount) => fetch(start, amount), () => {
      if (made === source && !closed) show();
    });
    return made;
  };
  let source = newSource();
  const view = new LogView(source, {
    wrap: state.wrap === "1", times: state.times === "1", ranks: (job.ntasks ?? 1) > 1, matcher: null, here: Number(state.line) || 0, base: 0,
    href: (n) => `${location.pathname}?${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), line: String(n) })}`,
  }, () => show());
  const finder = new Finder(() => fetch, view, () => showHits());

  // -- the bar -----------------------------------------------------------------------------------------------
  const search = h("input", { type: "search", value: state.find, placeholder: "Find", "aria-label": "Find in the output", spellcheck: false,
    on: { input: later(() => find()), keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter") { finder.step(event.shiftKey ? -1 : 1); event.preventDefault(); } } } });
  const hits = h("span", { class: "hits", role: "status" });
  const regex = toggle("Regular expression", ".*", state.regex === "1", (on) => { save({ regex: on ? "1" : "" }); find(); });
  const wrap = toggle("Wrap long lines", icon("wrap"), state.wrap === "1", (on) => { save({ wrap: on ? "1" : "0" }); view.configure({ wrap: on }); });
  const times = toggle("Show when each line was written", icon("clock"), state.times === "1", (on) => { save({ times: on ? "1" : "" }); view.configure({ times: on }); });
  const filters = h("button", { type: "button", "aria-pressed": "false" }, icon("filter"), "Filter");
  const download = h("a", { class: "button", href: jobPath(job.id, "/output?download=true"), download: "", title: "Download", "aria-label": "Download the output" }, icon("download"));
  const jump = h("button", { type: "button", class: "jump small", hidden: true, on: { click: () => view.toEnd() } }, icon("down"), h("span"));
  const foot = h("div", { class: "logend" });
  const middle = h("div", { class: "stack", hidden: true });
  const node = h("section", { class: "card logcard", "aria-label": "Output" },
    h("div", { class: "logbar" },
      h("div", { class: "search" }, icon("search"), search), regex, hits,
      h("button", { type: "button", "aria-label": "Previous match", title: "Previous match", on: { click: () => finder.step(-1) } }, icon("previous")),
      h("button", { type: "button", "aria-label": "Next match", title: "Next match", on: { click: () => finder.step(1) } }, icon("next")),
      h("span", { class: "grow" }), h("span", {}, filters), times, wrap, download),
    view.node, middle, jump, foot);
  middle.style.margin = "auto";
  menu(filters, () => {
    const stream = h("select", { on: { change: () => refilter({ stream: stream.value }) } },
      [["", "All streams"], ["stdout", "stdout"], ["stderr", "stderr"], ["log", "job shell"]].map(([value, text]) => h("option", { value, selected: value === state.stream }, text)));
    const rank = h("input", { value: state.rank, placeholder: "all, or 0-3,7", spellcheck: false, on: { change: () => refilter({ rank: rank.value.trim() }) } });
    const grep = h("input", { class: "mono", value: state.grep, placeholder: "only lines with this", spellcheck: false, on: { change: () => refilter({ grep: grep.value }) } });
    const grepx = h("input", { type: "checkbox", checked: state.grepx === "1", on: { change: () => refilter({ grepx: grepx.checked ? "1" : "" }) } });
    const form = h("div", { class: "stack" }, h("label", { class: "field" }, "Stream", stream), h("label", { class: "field" }, "Ranks", rank),
      h("label", { class: "field" }, "Text", grep), h("label", { class: "check" }, grepx, "as a regular expression"), h("button", { type: "button", on: { click: () => refilter(NO_FILTER) } }, "Show all lines"));
    form.style.padding = ".5rem";
    return [form];
  }, { keep: true, label: "Filter lines" });

  /** @param {string} label @param {Node | string} face @param {boolean} on @param {(on: boolean) => void} set */
  function toggle(label, face, on, set) {
    const button = h("button", { type: "button", title: label, "aria-label": label, "aria-pressed": String(on), on: { click: () => {
      const now = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(now));
      set(now);
    } } }, face);
    return button;
  }

  /** @param {Partial<typeof DEFAULTS>} part */
  function save(part) {
    state = /** @type {typeof DEFAULTS} */ ({ ...state, ...part });
    const others = Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => !(name in DEFAULTS)));
    context.save({ ...others, ...state }, DEFAULTS);
  }

  /** @param {Partial<typeof DEFAULTS>} part */
  function refilter(part) {
    save({ ...part, line: "" });
    source = newSource();
    view.options.here = 0;
    view.show(source);
    view.toEnd();
    poll();
    find();
  }

  function find() {
    save({ find: search.value });
    finder.look(search.value, state.regex === "1", state.grep !== "");
  }

  function showHits() {
    setText(hits, finder.text());
    search.setAttribute("aria-invalid", String(Boolean(finder.error)));
    search.title = finder.error;
  }

  function show() {
    const filtered = Boolean(state.stream || state.rank || state.grep);
    filters.setAttribute("aria-pressed", String(filtered));
    const nothing = source.total === 0;
    view.node.hidden = nothing;
    middle.hidden = !nothing;
    if (nothing) fill(middle, source.error ? failure(source.error, () => poll()) : nothingView(filtered));
    jump.hidden = nothing || view.following;
    setText(/** @type {Node} */ (jump.lastChild), isActive(current) ? "Follow" : "To the end");
    const more = isActive(current) ? (view.following ? "following" : "not following") : "complete";
    fill(foot, h("span", {}, source.ready ? `${plural(source.total, "line")}${filtered ? " match the filter" : ""}` : "Loading"), h("span", {}, more),
      source.error && source.total ? h("span", { role: "alert" }, source.error.message) : false);
    if (source.total) view.schedule();
  }

  /** @param {boolean} filtered */
  function nothingView(filtered) {
    if (!source.ready) return blank("Loading the output");
    if (filtered) return blank("No line matches the filter", "", { actions: [h("button", { on: { click: () => refilter(NO_FILTER) } }, "Show all lines")] });
    if (isPending(current)) return blank("It has not started", "Its output appears here as it is written.", { sleeping: true });
    if (isActive(current)) return blank("Nothing written yet", "Its output appears here as it is written.");
    return blank("It has written nothing", "Jobs whose output goes to a file show none here.");
  }

  /** Look for what was written: once more if the server tells of some meanwhile. */
  async function poll() {
    clearTimeout(timer);
    if (closed) return;
    if (looking) { more = true; return; }
    looking = true;
    do {
      more = false;
      if (isLive() || !source.ready) await source.poll();
    } while (more && !closed);
    looking = false;
    if (!closed && !source.complete && !isPending(current)) timer = setTimeout(poll, LATE);
  }

  const stop = isActive(job) ? onWritten(job.id, poll) : () => {};
  poll().then(() => {
    const line = Number(state.line || context.hash.replace(/^L/, ""));
    if (line > 0 && source.total) finder.place(line - 1).then((place) => view.toLine(place));
    else if (!isActive(current)) view.follow(false);
    if (state.find) finder.look(state.find, state.regex === "1", state.grep !== "");
    show();
  });
  view.node.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest(".line > a") : null;
    if (!link || /** @type {MouseEvent} */ (event).ctrlKey || /** @type {MouseEvent} */ (event).metaKey) return;
    event.preventDefault();
    const n = Number(/** @type {HTMLElement} */ (link.parentElement).dataset.n);
    save({ line: String(n) });
    view.follow(false);
    view.configure({ here: n });
  });
  show();
  return {
    node,
    /** @param {any} now */
    update(now) {
      const woke = isPending(current) && !isPending(now);
      const ended = isActive(current) && !isActive(now);
      current = now;
      show();
      if (woke || ended) poll();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      end.abort();
      view.close();
      stop();
    },
  };
}

/** @param {() => void} task */
function later(task) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(task, 200);
  };
}
