// SPDX-License-Identifier: LGPL-3.0-or-later
/** What keys send to a terminal. */

/** @type {Record<string, string>} */
const CURSOR = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F" };
/** @type {Record<string, number>} */
const TILDE = { Insert: 2, Delete: 3, PageUp: 5, PageDown: 6, F5: 15, F6: 17, F7: 18, F8: 19, F9: 20, F10: 21, F11: 23, F12: 24 };
/** @type {Record<string, string>} */
const PLAIN = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS" };

/**
 * The text of a key, null for one that is the browser's.
 * @param {{key: string, ctrlKey: boolean, altKey: boolean, metaKey: boolean, shiftKey: boolean}} event
 * @param {boolean} application whether the program wants cursor keys of its own
 */
export function keyText({ key, ctrlKey, altKey, metaKey, shiftKey }, application) {
  if (metaKey) return null;
  const modifier = 1 + (shiftKey ? 1 : 0) + (altKey ? 2 : 0) + (ctrlKey ? 4 : 0);
  if (key in CURSOR) return modifier > 1 ? `\x1b[1;${modifier}${CURSOR[key]}` : `\x1b${application ? "O" : "["}${CURSOR[key]}`;
  if (key in TILDE) return modifier > 1 ? `\x1b[${TILDE[key]};${modifier}~` : `\x1b[${TILDE[key]}~`;
  if (key === "Tab" && shiftKey) return "\x1b[Z";
  const escape = altKey ? "\x1b" : "";
  if (key in PLAIN) return escape + PLAIN[key];
  if (key.length !== 1 && [...key].length !== 1) return null;
  if (!ctrlKey) return escape + key;
  if (shiftKey && /^[cv]$/i.test(key)) return null; // copy and paste
  const code = key.toUpperCase().charCodeAt(0);
  if (code >= 64 && code < 96) return escape + String.fromCharCode(code & 31);
  if (key === " " || key === "@") return `${escape}\0`;
  return null;
}
