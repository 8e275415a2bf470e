// SPDX-License-Identifier: LGPL-3.0-or-later
/** Webhooks: where events of jobs are sent, how that goes, and what could not be delivered. */

import * as api from "../net/api.js";
import { count, date, plural, sentence } from "../model/format.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, blank, copyButton, toast } from "../view/parts.js";
import { live } from "../view/live.js";

const EVENTS = { submit: "Submitted", alloc: "Given its resources", start: "Started", finish: "Finished", exception: "An exception", clean: "Over" };
/** @type {Record<string, [kind: string, word: string]>} */
const STATES = { active: ["good", "Active"], failing: ["wait", "Failing"], stopped: ["bad", "Stopped"] };

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Webhooks");
  const body = h("div", { class: "stack" });
  const fresh = h("div", { role: "status" });
  fill(main, h("div", { class: "head" }, h("h1", {}, "Webhooks"), h("span", { class: "grow" }), action({ class: "primary", on: { click: create } }, icon("plus"), "New webhook")),
    h("p", { class: "soft" }, "What happens to jobs is sent to a URL, signed as Standard Webhooks are, and again when it could not be delivered."),
    fresh, body);
  const refresh = live(body, () => api.getWebhooks(), ({ webhooks }) => draw(webhooks), context.signal, { every: 3000 });

  let drawn = "";
  /** @param {any[]} hooks */
  function draw(hooks) {
    const text = JSON.stringify(hooks);
    if (text === drawn && body.firstChild) return; // what somebody reads or has opened stays
    drawn = text;
    const opened = new Set([...body.querySelectorAll("details[open]")].map((node) => /** @type {HTMLElement} */ (node).dataset.id));
    if (!hooks.length) fill(body, h("section", { class: "card" }, blank("No webhooks", "A program that has one hears of jobs without asking for them.", { icon: icon("webhooks") })));
    else fill(body, hooks.map((hook) => card(hook, opened.has(hook.id))));
  }

  /** @param {any} hook @param {boolean} open */
  function card(hook, open) {
    const [kind, word] = STATES[hook.state] ?? ["off", hook.state];
    /** @type {[string, Node | string][]} */
    const rows = [["Events", h("span", { class: "row" }, hook.events.map((/** @type {string} */ name) => h("span", { class: "pill" }, name === "*" ? "all" : name)))],
      ["Jobs", hook.job ? h("a", { class: "mono", href: `/jobs/${hook.job}` }, hook.job) : "all"], ["Made", date(hook.created)],
      ["Deliveries", [`${count(hook.delivered)} delivered`, hook.waiting ? `${count(hook.waiting)} waiting` : "", hook.lost ? `${count(hook.lost)} lost for want of room` : ""].filter(Boolean).join(", ")]];
    return h("section", { class: "card", "aria-label": hook.url, data: { id: hook.id } },
      h("header", {}, h("h2", { class: "clip mono grow", title: hook.url }, hook.url), h("span", { class: `state tiny ${kind}` }, word)),
      h("div", { class: "body stack" },
        hook.reason && h("div", { class: `note ${hook.state === "stopped" ? "bad" : "wait"}` }, icon("warning"), h("span", {}, `${sentence(hook.reason)}.`)),
        h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
        hook.dead.length ? failed(hook, open) : false,
        h("div", { class: "row" },
          action({ class: "small", on: { click: () => perform(() => api.pingWebhook(hook.id), "A message of the type ping is on its way.") } }, icon("signal"), "Send a test"),
          hook.dead.length || hook.state === "stopped" ? action({ class: "small", on: { click: () => perform(() => api.retryWebhook(hook.id), "It is tried again.") } }, icon("again"), "Try again") : false,
          h("span", { class: "grow" }), action({ class: "small danger", on: { click: () => remove(hook) } }, "Delete"))));
  }

  /** @param {any} hook @param {boolean} open */
  function failed(hook, open) {
    return h("details", { open, data: { id: hook.id } }, h("summary", {}, `${plural(hook.dead.length, "message")} could not be delivered`),
      h("div", { class: "scroll" }, h("table", { class: "plain folds" }, h("thead", {}, h("tr", {}, ["Message", "When", "Attempts", "What came of it"].map((title) => h("th", { scope: "col" }, title)))),
        h("tbody", {}, [...hook.dead].reverse().map((/** @type {any} */ one) => h("tr", {}, h("th", { scope: "row" }, one.type, h("div", { class: "mono soft tiny" }, one.id)),
          h("td", { class: "tabular", data: { label: "When" } }, date(one.time)), h("td", { class: "tabular", data: { label: "Attempts" } }, count(one.attempts)), h("td", { data: { label: "What came of it" } }, one.error)))))));
  }

  /** @param {() => Promise<any>} work @param {string} done */
  async function perform(work, done) {
    try {
      await work();
      toast(done);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
    refresh();
  }

  /** @param {any} hook */
  async function remove(hook) {
    const text = hook.waiting ? `${plural(hook.waiting, "message")} that ${hook.waiting === 1 ? "waits" : "wait"} will not be sent.` : "Nothing is sent there any more.";
    if (await ask({ title: "Delete this webhook?", text: `${hook.url}: ${text}`, yes: "Delete", no: "Keep" })) perform(() => api.deleteWebhook(hook.id), "The webhook is deleted.");
  }

  function create() {
    const url = h("input", { id: "hook-url", type: "url", required: true, maxLength: 2048, class: "mono", autocomplete: "off", spellcheck: false, "aria-describedby": "hook-fault" });
    const all = h("input", { type: "checkbox", checked: true, on: { change: () => { for (const { box } of boxes) box.disabled = all.checked; } } });
    const boxes = Object.entries(EVENTS).map(([name, words]) => ({ name, words, box: h("input", { type: "checkbox", disabled: true, checked: name === "finish" || name === "exception" }) }));
    const job = h("input", { class: "mono", placeholder: "all jobs", maxLength: 256, autocomplete: "off", spellcheck: false });
    const secret = h("input", { class: "mono", placeholder: "made for you: whsec_…", maxLength: 256, autocomplete: "off", spellcheck: false });
    const fault = h("p", { class: "note bad", id: "hook-fault", role: "alert", hidden: true });
    const form = h("form", { noValidate: true, on: { submit: send } },
      h("div", { class: "body stack" }, h("h2", { id: "hook-title" }, "New webhook"), h("div", { class: "field" }, h("label", { htmlFor: "hook-url" }, "URL"), url, h("span", { class: "hint" }, "Of a program that takes a POST, with https or http.")),
        h("fieldset", { class: "stack" }, h("legend", {}, "When a job is"), h("label", { class: "check" }, all, "All events"),
          boxes.map(({ name, words, box }) => h("label", { class: "check" }, box, h("span", {}, `${words} `, h("span", { class: "soft mono" }, name))))),
        h("label", { class: "field" }, "Only of the job", job), h("label", { class: "field" }, "Secret of the signatures", secret), fault),
      h("footer", {}, h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Make it")));
    const dialog = h("dialog", { class: "sheet", "aria-labelledby": "hook-title" }, form);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    url.focus();

    let sending = false;
    /** @param {Event} event */
    async function send(event) {
      event.preventDefault();
      if (sending) return;
      sending = true;
      const events = all.checked ? ["*"] : boxes.filter(({ box }) => box.checked).map(({ name }) => name);
      try {
        const made = await api.createWebhook({ url: url.value.trim(), events, ...(job.value.trim() && { job: job.value.trim() }), ...(secret.value.trim() && { secret: secret.value.trim() }) });
        dialog.close();
        fill(fresh, h("div", { class: "note wait" }, icon("tokens"), h("div", { class: "grow" }, h("strong", {}, "Copy its secret now, it is not shown again."), h("div", { class: "row" }, h("code", { class: "secret" }, made.secret), copyButton(made.secret, "Copy the secret")))));
        refresh();
      } catch (error) {
        fault.hidden = false;
        fault.textContent = sentence(/** @type {Error} */ (error).message);
        url.setAttribute("aria-invalid", String(/^url|address/i.test(/** @type {Error} */ (error).message)));
      } finally {
        sending = false;
      }
    }
  }
}
