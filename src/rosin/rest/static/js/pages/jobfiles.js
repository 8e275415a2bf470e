// SPDX-License-Identifier: LGPL-3.0-or-later
/** @param {any} job @param {any} context */
export function filesPanel(job, context) { const node = document.createElement("div"); return { node }; }
