// SPDX-License-Identifier: LGPL-3.0-or-later
/** Values over time as an area with a line. */

import { when } from "../model/format.js";
import { h, svg } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 160;

/** @typedef {{name: string, color: string, values: number[]}} Series */

/** The path of a line. @param {number[]} values @param {number} most */
function points(values, most) {
  const step = WIDTH / Math.max(1, values.length - 1);
  return values.map((value, i) => `${(i * step).toFixed(1)},${(HEIGHT - 4 - ((HEIGHT - 12) * value) / most).toFixed(1)}`).join(" L");
}

/**
 * A chart with its axis of time and a table for those who do not see it.
 * @param {Series[]} series @param {{most?: number, start: number, step: number, label: string, unit: string}} options
 */
export function chart(series, { most, start, step, label, unit }) {
  const top = Math.max(1e-9, most ?? 0, ...series.flatMap((one) => one.values)) || 1;
  const rules = [0.25, 0.5, 0.75, 1].map((part) => {
    const y = HEIGHT - 4 - (HEIGHT - 12) * part;
    return svg("path", { class: "rule", d: `M0,${y} H${WIDTH}` });
  });
  const drawn = series.flatMap(({ values, color }) => {
    const line = points(values, top);
    const area = svg("path", { class: "area", d: `M0,${HEIGHT} L${line} L${WIDTH},${HEIGHT} Z` });
    const trace = svg("path", { class: "trace", d: `M${line}` });
    for (const node of [area, trace]) /** @type {SVGElement} */ (node).style.setProperty("--c", color);
    return [area, trace];
  });
  const last = series[0]?.values.length ?? 0;
  const picture = svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": summary(series, label, unit) }, ...rules, ...drawn);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => h("span", {}, when(start + part * last * step)));
  return h("div", { class: "charts" }, h("div", { class: "row" }, h("span", { class: "legend" }, series.map(({ name, color }) => {
    const mark = h("i");
    mark.style.setProperty("--c", color);
    return h("span", {}, mark, name);
  })), h("span", { class: "grow" }), h("span", { class: "soft tiny tabular" }, `${Math.round(top * 10) / 10} ${unit}`)), picture, h("div", { class: "axis", "aria-hidden": "true" }, ticks));
}

/** @param {Series[]} series @param {string} label @param {string} unit */
function summary(series, label, unit) {
  const parts = series.map(({ name, values }) => {
    const most = Math.max(0, ...values);
    return `${name}: now ${Math.round((values[values.length - 1] ?? 0) * 10) / 10}, at most ${Math.round(most * 10) / 10} ${unit}`;
  });
  return `${label}. ${parts.join("; ")}`;
}
