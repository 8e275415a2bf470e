// SPDX-License-Identifier: LGPL-3.0-or-later
/** What was asked for and what was given: script, environment, jobspec and R. */

import { h } from "../view/dom.js";
import { blank, copyButton } from "../view/parts.js";

/** @param {string} title @param {string} text */
function block(title, text) {
  const copied = copyButton(text, `Copy: ${title}`);
  return h("section", { class: "card" }, h("header", {}, h("h2", { class: "grow" }, title), copied), h("div", { class: "body" }, h("pre", { class: "code", tabIndex: 0 }, text)));
}

/** @param {any} job */
export function specPanel(job) {
  const node = h("div", { class: "stack" });
  const parts = [];
  if (job.script) parts.push(block("Script", job.script));
  if (job.environment && Object.keys(job.environment).length) {
    parts.push(block("Environment", Object.entries(job.environment).map(([name, value]) => `${name}=${value}`).join("\n")));
  }
  if (job.jobspec) parts.push(block("Jobspec (RFC 14)", JSON.stringify(job.jobspec, null, 2)));
  if (job.R) parts.push(block("Resources (RFC 20)", JSON.stringify(job.R, null, 2)));
  node.append(...(parts.length ? parts : [h("section", { class: "card" }, blank("No jobspec", "The instance does not show this job's jobspec to you."))]));
  return { node };
}
