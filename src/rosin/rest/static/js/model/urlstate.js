// SPDX-License-Identifier: LGPL-3.0-or-later
/** The state of a view in the query of its address: reload, back and a shared link show the same. */

/** @typedef {Record<string, string>} ViewState */

/**
 * The values of a query, with defaults for what is missing.
 * @template {ViewState} T
 * @param {string} search @param {T} defaults @returns {T}
 */
export function readState(search, defaults) {
  const found = { ...defaults };
  for (const [name, value] of new URLSearchParams(search)) {
    if (name in defaults) /** @type {ViewState} */ (found)[name] = value;
  }
  return found;
}

/** The query of a state: only what differs from the defaults. @param {ViewState} state @param {ViewState} defaults */
export function writeState(state, defaults) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== defaults[name]) parameters.set(name, value);
  const text = parameters.toString();
  return text ? `?${text}` : "";
}
