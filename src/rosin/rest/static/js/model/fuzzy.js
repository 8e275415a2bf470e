// SPDX-License-Identifier: LGPL-3.0-or-later
/** How well a few letters name something. */

/**
 * 0 if the letters are not in the title in this order; more the better they fit: words that begin with them before
 * letters in a row, and these before letters anywhere. An empty text fits all alike.
 * @param {string} title @param {string} letters
 */
export function score(title, letters) {
  const [text, wanted] = [title.toLowerCase(), letters.toLowerCase().replace(/\s+/g, "")];
  if (!wanted) return 1;
  if (text.replace(/\s+/g, "").startsWith(wanted)) return 4;
  const words = text.split(/\s+/);
  if (words.some((word) => word.startsWith(wanted))) return 3;
  if (words.map((word) => word[0]).join("").startsWith(wanted)) return 2.5;
  if (text.includes(wanted)) return 2;
  let at = -1;
  for (const letter of wanted) {
    at = text.indexOf(letter, at + 1);
    if (at < 0) return 0;
  }
  return 1;
}
