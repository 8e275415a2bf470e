// SPDX-License-Identifier: LGPL-3.0-or-later
/** Where things are on the server. */

export const API = "/rosin/v1";
/** Members of jobs that tables show. */
export const TABLE_FIELDS = [
  "id", "name", "user", "state", "result", "status", "urgency", "priority", "queue", "bank", "project", "ntasks", "ncores", "nnodes", "ngpus",
  "nodelist", "duration", "t_submit", "t_run", "t_cleanup", "t_inactive", "returncode", "exception",
].join(",");

/** The stream of everything, for all views. */
export const EVENTS = `${API}/events?topics=jobs,resources,queues&fields=${TABLE_FIELDS}`;

/** @param {string} id @param {string} [rest] */
export const jobPath = (id, rest = "") => `${API}/jobs/${encodeURIComponent(id)}${rest}`;
