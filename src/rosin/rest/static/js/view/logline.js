// SPDX-License-Identifier: LGPL-3.0-or-later
/** One line of output as elements: number, time, rank, and the text in its colours with links and what was found. */

import { PLAIN, links, renderLine } from "../model/ansi.js";
import { h } from "./dom.js";

/** @typedef {import("../model/types.js").OutputLine} OutputLine */
/** @typedef {import("../model/ansi.js").Style} Style */

/** Characters of a line that are shown; the download has all. */
const LONGEST = 20_000;
/** Streams of the job shell itself. */
const SHELL = new Set(["log", "redirect"]);

const two = (/** @type {number} */ n, places = 2) => String(n).padStart(places, "0");

/** @param {number | null} seconds */
function clock(seconds) {
  if (seconds === null) return "            ";
  const time = new Date(seconds * 1000);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${two(time.getMilliseconds(), 3)}`;
}

/** The style that a line ends with, which the next line of its stream begins with. @type {WeakMap<OutputLine, Style>} */
const ends = new WeakMap();

/**
 * @param {OutputLine} line
 * @param {number} index from 0
 * @param {OutputLine | undefined} before
 * @param {import("./logview.js").LogOptions} options
 */
export function lineView(line, index, before, options) {
  const kind = SHELL.has(line.stream) ? "shell" : line.stream;
  const begin = before && before.stream === line.stream && before.rank === line.rank ? ends.get(before) : undefined;
  const cut = line.cut || line.text.length > LONGEST;
  const { runs, style } = renderLine(line.text.length > LONGEST ? line.text.slice(0, LONGEST) : line.text, begin);
  ends.set(line, style);
  const text = h("span", { class: "text" });
  decorate(text, runs, options.matcher);
  if (cut) text.append(h("em", {}, " … the rest of this line is in the download"));
  return h("div", { class: `line ${kind}${options.here === line.n ? " here" : ""}${options.at === line.n && options.matcher ? " found" : ""}`, data: { n: line.n } },
    h("a", { href: options.href(line.n), "aria-label": `Line ${line.n}`, tabIndex: -1 }, line.n),
    options.times && h("time", {}, clock(line.time)),
    options.ranks && h("span", { class: "rank" }, line.rank ?? ""),
    text);
}

/** @param {HTMLElement} node @param {import("../model/ansi.js").Run[]} runs @param {RegExp | null} matcher */
function decorate(node, runs, matcher) {
  const whole = runs.map((run) => run.text).join("");
  const marks = matcher ? [...whole.matchAll(matcher)].filter((found) => found[0]).slice(0, 200).map((found) => ({ start: found.index, end: found.index + found[0].length })) : [];
  const urls = links(whole);
  if (!marks.length && !urls.length && runs.every((run) => run.style === PLAIN)) {
    node.textContent = whole || "\n";
    return;
  }
  const cuts = [...new Set([0, whole.length, ...[...marks, ...urls].flatMap(({ start, end }) => [start, end])])].sort((a, b) => a - b);
  let at = 0;
  for (const run of runs) {
    const end = at + run.text.length;
    const inner = [at, ...cuts.filter((cut) => cut > at && cut < end), end];
    for (let i = 1; i < inner.length; i += 1) {
      const piece = styled(whole.slice(inner[i - 1], inner[i]), run.style);
      const url = urls.find(({ start, end: stop }) => inner[i - 1] >= start && inner[i] <= stop);
      const mark = marks.find(({ start, end: stop }) => inner[i - 1] >= start && inner[i] <= stop);
      const href = run.style.href ?? (url && whole.slice(url.start, url.end));
      const linked = href ? h("a", { class: "url", href, title: run.style.href, target: "_blank", rel: "noopener noreferrer" }, piece) : piece;
      node.append(mark ? h("mark", {}, linked) : linked);
    }
    at = end;
  }
}

/** @param {string} text @param {Style} style */
export function styled(text, style) {
  if (style === PLAIN) return document.createTextNode(text);
  const letters = [...style.flags];
  const node = h("span", { class: letters.filter((flag) => flag !== "r").map((flag) => `sgr-${flag}`).join(" ") }, text);
  const reverse = letters.includes("r");
  const fore = reverse ? style.back || "var(--log)" : style.fore;
  const back = reverse ? style.fore || "var(--log-ink)" : style.back;
  if (fore) node.style.color = fore;
  if (back) {
    node.style.backgroundColor = back;
    if (!fore && !reverse) node.style.color = "var(--log)";
  }
  return node;
}
