// SPDX-License-Identifier: LGPL-3.0-or-later
/** How numbers and times are written. */

/** @param {number} n */
const two = (n) => String(Math.floor(n)).padStart(2, "0");

/** Seconds as 0.52s, 12s, 3m 04s, 2h 05m, 3d 04h. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds == null || Number.isNaN(seconds)) return "";
  if (seconds < 0) seconds = 0;
  if (seconds < 10) return `${seconds.toFixed(seconds && seconds < 1 ? 2 : 1).replace(/\.0+$/, "")}s`;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${two((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${two((seconds % 86400) / 3600)}h`;
}

const full = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  timeZoneName: "short",
});
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** A date with its zone. @param {number | null | undefined} seconds since the epoch */
export const date = (seconds) => (seconds ? full.format(new Date(seconds * 1000)) : "");

/** A time of the last hours as the time of day, an older one with its day. @param {number | null | undefined} seconds */
export function when(seconds, now = Date.now()) {
  if (!seconds) return "";
  return (now - seconds * 1000 < 20 * 3600e3 ? clock : day).format(new Date(seconds * 1000));
}

/** Bytes as 12 B, 3.4 kB, 1.2 GB. @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) {
    bytes /= 1000;
    step += 1;
  }
  return `${step && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

const whole = new Intl.NumberFormat("en-US");

/** A text that begins as a sentence does; the id of a job stays what it is. @param {string} text */
export const sentence = (text) => text.replace(/^[a-z](?![\w.]*[A-Z0-9])/, (letter) => letter.toUpperCase());

/** 12,345. @param {number} n */
export const count = (n) => whole.format(n);

/** "1 job", "2 jobs". @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @type {Record<string, number>} */
const UNITS = { ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };

/**
 * Seconds of a time limit: a number, or a number with s, m, h, d (RFC 23) or h:mm:ss; null when it is none.
 * @param {string} text
 */
export function parseDuration(text) {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d)?$/.exec(text.trim());
  if (match) return Number(match[1]) * UNITS[match[2] ?? "s"];
  return null;
}
