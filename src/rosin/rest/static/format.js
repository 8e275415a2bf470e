// SPDX-License-Identifier: LGPL-3.0-or-later
/** How numbers, times and states are written. */

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Seconds as 0.52s, 12s, 3m 04s, 2h 05m, 3d 04h. */
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "";
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(2)}s`;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${two((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${two((seconds % 86400) / 3600)}h`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** A time of the last hours as the time of day, an older one with its date. */
export function when(timestamp) {
  if (!timestamp) return "";
  const date = new Date(timestamp * 1000);
  return (Date.now() - date < 20 * 3600e3 ? clock : day).format(date);
}

const WORDS = {
  NEW: ["wait", "new"],
  DEPEND: ["wait", "depends"],
  PRIORITY: ["wait", "priority"],
  SCHED: ["wait", "waiting"],
  RUN: ["run", "running"],
  CLEANUP: ["run", "cleanup"],
  COMPLETED: ["good", "completed"],
  FAILED: ["bad", "failed"],
  CANCELED: ["off", "canceled"],
  TIMEOUT: ["bad", "timed out"],
};

/** The colour class and the word of a job's status. */
export function status(job) {
  const [kind, word] = WORDS[job.status] ?? ["off", job.status.toLowerCase()];
  return { kind, word: job.urgency === 0 && kind === "wait" ? "held" : word };
}

export const isActive = (job) => job.state !== "INACTIVE";

/** Seconds that a job has run; null before it runs. */
export function runtime(job) {
  if (!job.t_run) return null;
  return (job.t_cleanup ?? Date.now() / 1000) - job.t_run;
}

/** Order of ids, which are too large for numbers. */
export function compareIds(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
