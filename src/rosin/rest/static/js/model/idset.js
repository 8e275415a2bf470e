// SPDX-License-Identifier: LGPL-3.0-or-later
/** Sets of small numbers as text: 0-3,7 (RFC 22). */

/** Numbers of a set that are listed at most. */
const MOST = 65536;

/** The numbers of a set, in order. @param {string | null | undefined} text @returns {number[]} */
export function numbers(text) {
  const found = [];
  for (const part of (text ?? "").replace(/^\[|\]$/g, "").split(",")) {
    const [from, to = from] = part.split("-").map((word) => Number.parseInt(word, 10));
    for (let n = from; n <= to && found.length < MOST; n += 1) found.push(n);
  }
  return found;
}
