// SPDX-License-Identifier: LGPL-3.0-or-later
/** Why a job waits, as long as it does; and what went wrong, when it did. */

import * as api from "../net/api.js";
import { date, plural } from "../model/format.js";
import { ending, isPending, status } from "../model/status.js";
import { fill, h, icon } from "../view/dom.js";
import { withJobs } from "../view/parts.js";

/** Milliseconds after which the reasons are asked for again: others' jobs change them. */
const AGAIN = 5000;

/** @param {string} id */
export function whyCard(id) {
  const node = h("div", { hidden: true });
  let pending = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let drawn = "";

  async function ask() {
    clearTimeout(timer);
    try {
      const answer = await api.getWhy(id);
      if (pending) show(answer);
    } catch {
      // It has begun meanwhile, or the connection is away and the banner says so.
    }
    if (pending) timer = setTimeout(() => (document.visibilityState === "visible" ? ask() : (timer = setTimeout(ask, AGAIN))), AGAIN);
  }

  /** @param {any} why */
  function show(why) {
    const text = JSON.stringify(why);
    if (text === drawn) return;
    drawn = text;
    // A sentence for each reason comes first; what follows is said here, in the reader's own time.
    const [first = "The scheduler has not looked at it yet", ...more] = (why.sentences ?? []).slice(0, why.reasons?.length ?? 0);
    const rest = [why.ahead ? `${plural(why.ahead, "job")} ${why.ahead === 1 ? "is" : "are"} ahead of it` : "", why.t_estimate ? `expected to start ${date(why.t_estimate)}` : ""].filter(Boolean).join(", ");
    node.hidden = false;
    fill(node, h("div", { class: "note wait", role: "status" }, icon("clock"), h("div", {},
      h("strong", {}, withJobs(first)), more.map((/** @type {string} */ text) => h("p", {}, withJobs(text))),
      rest && h("p", { class: "soft" }, withJobs(rest)))));
  }

  return {
    node,
    /** @param {any} job */
    update(job) {
      pending = isPending(job);
      if (pending) {
        ask();
        return;
      }
      clearTimeout(timer);
      drawn = "";
      const { kind, word } = status(job);
      node.hidden = kind !== "bad";
      if (kind !== "bad") return;
      const note = job.exception?.note ?? "";
      const said = job.status === "TIMEOUT" ? "It reached its time limit." : job.exception ? `${job.exception.type}: ${note}` : `It ended with ${ending(job)}.`;
      fill(node, h("div", { class: "note bad" }, icon("warning"), h("div", {}, h("strong", {}, `${word}. `), said)));
    },
    close() {
      pending = false;
      clearTimeout(timer);
    },
  };
}
