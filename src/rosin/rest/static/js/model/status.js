// SPDX-License-Identifier: LGPL-3.0-or-later
/** States of jobs in words, and what an exit status means. */

/** @typedef {import("./types.js").Job} Job */

/** @type {Record<string, [kind: string, word: string]>} */
const WORDS = {
  NEW: ["wait", "New"],
  DEPEND: ["wait", "Depends"],
  PRIORITY: ["wait", "Waiting"],
  SCHED: ["wait", "Waiting"],
  RUN: ["run", "Running"],
  CLEANUP: ["run", "Ending"],
  COMPLETED: ["good", "Completed"],
  FAILED: ["bad", "Failed"],
  CANCELED: ["off", "Canceled"],
  TIMEOUT: ["bad", "Timed out"],
};

/** The kind (wait, run, good, bad, off) and the word of a job's status. @param {Job} job */
export function status(job) {
  const [kind, word] = WORDS[job.status] ?? ["off", job.status];
  return { kind, word: kind === "wait" && job.urgency === 0 ? "Held" : word };
}

/** @param {Job} job */
export const isActive = (job) => job.state !== "INACTIVE";

/** @param {Job} job */
export const isPending = (job) => isActive(job) && job.state !== "RUN" && job.state !== "CLEANUP";

/** Seconds that a job has run until *now* (milliseconds); null before it runs. @param {Job} job @param {number} now */
export function runtime(job, now) {
  if (!job.t_run) return null;
  return (job.t_cleanup ?? Math.max(job.t_run, now / 1000)) - job.t_run;
}

/** @type {Record<number, [name: string, words: string]>} */
const SIGNALS = {
  1: ["SIGHUP", "hangup"],
  2: ["SIGINT", "interrupted"],
  3: ["SIGQUIT", "quit"],
  4: ["SIGILL", "illegal instruction"],
  5: ["SIGTRAP", "trace trap"],
  6: ["SIGABRT", "aborted"],
  7: ["SIGBUS", "bus error"],
  8: ["SIGFPE", "arithmetic error, such as a division by zero"],
  9: ["SIGKILL", "killed, often because memory ran out or a limit was reached"],
  10: ["SIGUSR1", "user signal 1"],
  11: ["SIGSEGV", "segmentation fault"],
  12: ["SIGUSR2", "user signal 2"],
  13: ["SIGPIPE", "wrote to a pipe that nobody reads"],
  14: ["SIGALRM", "alarm"],
  15: ["SIGTERM", "terminated"],
  24: ["SIGXCPU", "CPU time limit reached"],
  25: ["SIGXFSZ", "file size limit reached"],
  31: ["SIGSYS", "bad system call"],
};

/** What an exit code means, or an empty text where it means what the program says. @param {number} code */
function codeMeans(code) {
  if (code === 126) return "the command was found but could not be run";
  if (code === 127) return "the command was not found";
  if (code > 128 && code < 160) return SIGNALS[code - 128]?.[1] ?? `signal ${code - 128}`;
  return "";
}

/**
 * The end of a job in one line: `139: segmentation fault`, `0`, `3`. Empty while it has not ended.
 * @param {Job} job
 */
export function ending(job) {
  const code = job.returncode;
  if (code == null || isActive(job)) return "";
  if (job.result === "CANCELED" && code === -128) return "canceled before it ran";
  if (code < 0) {
    const [name, words] = SIGNALS[-code] ?? [`signal ${-code}`, ""];
    return words ? `${name}: ${words}` : name;
  }
  const words = codeMeans(code);
  return words ? `${code}: ${words}` : String(code);
}

export const signals = Object.entries(SIGNALS).map(([number, [name, words]]) => ({ number: Number(number), name, words }));

/** The chips above the table: a name, a title, the states or results, and which of the server's counts. */
export const GROUPS = [
  { name: "", title: "All", states: "", counts: ["total"] },
  { name: "waiting", title: "Waiting", states: "depend,priority,sched", counts: ["new", "depend", "priority", "sched"] },
  { name: "running", title: "Running", states: "run,cleanup", counts: ["run", "cleanup"] },
  { name: "completed", title: "Completed", states: "completed", counts: ["completed"] },
  { name: "failed", title: "Failed", states: "failed,timeout", counts: ["failed", "timeout"] },
  { name: "canceled", title: "Canceled", states: "canceled", counts: ["canceled"] },
];

/** The number on a chip. @param {Record<string, number>} counts @param {string[]} names */
export const total = (counts, names) => names.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
