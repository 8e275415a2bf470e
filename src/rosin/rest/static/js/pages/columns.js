// SPDX-License-Identifier: LGPL-3.0-or-later
/** The columns that the table of jobs can have. */

import { count, date, duration, when } from "../model/format.js";
import { ending, isActive, runtime } from "../model/status.js";
import { h } from "../view/dom.js";
import { stateView } from "../view/parts.js";

/** @typedef {import("../view/table.js").Column} Column */
/** @typedef {import("../model/types.js").Job} Job */

/** @param {number | null | undefined} n */
const number = (n) => (n == null ? "" : count(n));
/** @param {number | null | undefined} seconds */
const time = (seconds) => h("time", { title: date(seconds) }, when(seconds));

/** @param {Job} job */
function statusCell(job) {
  const cell = stateView(job);
  const note = job.exception?.note || job.exception?.type || "";
  const code = job.status === "FAILED" ? ending(job) : "";
  if (code) cell.append(` (${code.split(":")[0]})`);
  cell.title = [code, note].filter(Boolean).join(" · ");
  return cell;
}

/** @type {Column[]} */
export const COLUMNS = [
  { name: "name", title: "Name", width: "minmax(10rem, 2.2fr)", sort: "name", cell: (job) => h("a", { class: "name", href: `/jobs/${job.id}`, data: { part: "name" }, title: job.name ?? "" }, job.name || job.id) },
  { name: "id", title: "Job", width: "minmax(6.5rem, .8fr)", sort: "id", cell: (job) => h("span", { class: "mono soft" }, job.id) },
  { name: "status", title: "State", width: "minmax(8.5rem, 1fr)", sort: "status", cell: statusCell },
  { name: "user", title: "User", width: "minmax(5rem, .8fr)", sort: "user", cell: (job) => job.user },
  { name: "queue", title: "Queue", width: "minmax(5rem, .7fr)", sort: "queue", cell: (job) => job.queue ?? "" },
  { name: "tasks", title: "Tasks", width: "4rem", sort: "ntasks", num: true, cell: (job) => number(job.ntasks) },
  { name: "nodes", title: "Nodes", width: "4rem", sort: "nnodes", num: true, cell: (job) => number(job.nnodes) },
  { name: "cores", title: "Cores", width: "4rem", sort: "ncores", num: true, cell: (job) => number(job.ncores) },
  { name: "gpus", title: "GPUs", width: "4rem", sort: "ngpus", num: true, cell: (job) => number(job.ngpus || null) },
  { name: "hosts", title: "Hosts", width: "minmax(7rem, 1fr)", sort: "nodelist", cell: (job) => h("span", { title: job.nodelist ?? "" }, job.nodelist ?? "") },
  { name: "time", title: "Run time", width: "6rem", sort: "runtime", num: true, ticks: true, cell: (job, now) => duration(isActive(job) ? Math.floor(runtime(job, now) ?? NaN) : runtime(job, now)) },
  { name: "limit", title: "Limit", width: "5.5rem", sort: "duration", num: true, cell: (job) => duration(job.duration || null) },
  { name: "urgency", title: "Urgency", width: "4.5rem", sort: "urgency", num: true, cell: (job) => String(job.urgency) },
  { name: "priority", title: "Priority", width: "5.5rem", sort: "priority", num: true, cell: (job) => number(job.priority) },
  { name: "bank", title: "Bank", width: "6rem", sort: "bank", cell: (job) => job.bank ?? "" },
  { name: "project", title: "Project", width: "6rem", sort: "project", cell: (job) => job.project ?? "" },
  { name: "exit", title: "Exit", width: "minmax(6rem, 1fr)", sort: "returncode", cell: (job) => ending(job) },
  { name: "submitted", title: "Submitted", width: "7rem", sort: "t_submit", num: true, cell: (job) => time(job.t_submit) },
  { name: "started", title: "Started", width: "7rem", sort: "t_run", num: true, cell: (job) => time(job.t_run) },
  { name: "ended", title: "Ended", width: "7rem", sort: "t_inactive", num: true, cell: (job) => time(job.t_inactive) },
];

export const USUAL = "name,id,status,user,nodes,cores,time,submitted";

/** The columns of a list of names; the usual ones if none of them is known. @param {string} names @returns {Column[]} */
export function chosen(names) {
  const wanted = names.split(",");
  const found = COLUMNS.filter((column) => wanted.includes(column.name));
  return found.length ? found : chosen(USUAL);
}
