// SPDX-License-Identifier: LGPL-3.0-or-later
/** What the server answers, as types. */

/**
 * @typedef {object} Job
 * @property {string} id F58
 * @property {string} id_dec
 * @property {string | null} name
 * @property {string} user
 * @property {string} state
 * @property {string | null} result
 * @property {string} status
 * @property {number} urgency
 * @property {number | null} [priority]
 * @property {string | null} [queue]
 * @property {string | null} [bank]
 * @property {string | null} [project]
 * @property {string | null} [cwd]
 * @property {number | null} ntasks
 * @property {number | null} ncores
 * @property {number | null} nnodes
 * @property {number | null} [ngpus]
 * @property {string | null} [nodelist]
 * @property {string | null} [ranks]
 * @property {number | null} [duration]
 * @property {number | null} [expiration]
 * @property {number} t_submit
 * @property {number | null} [t_depend]
 * @property {number | null} [t_sched]
 * @property {number | null} t_run
 * @property {number | null} t_cleanup
 * @property {number | null} t_inactive
 * @property {number | null} returncode
 * @property {string | null} [ending]
 * @property {{type: string | null, severity: number | null, note: string | null} | null} [exception]
 * @property {Record<string, any> | null} [annotations]
 * @property {string[] | null} [dependencies]
 */

/** @typedef {{items: Job[], next: string | null, total: number, counts: Record<string, number> | null}} JobPage */

/**
 * @typedef {object} OutputLine
 * @property {number} n its number among all lines, from 1
 * @property {string} stream stdout, stderr, or log and redirect of the job shell
 * @property {number | string | null} rank
 * @property {number | null} time
 * @property {string} text
 * @property {boolean} [cut] whether the text is only the beginning of the line
 * @property {boolean} [open] whether the line has no end yet
 */

/** @typedef {{total: number, first: number, lines: OutputLine[], complete: boolean}} LinePage */

export {};
