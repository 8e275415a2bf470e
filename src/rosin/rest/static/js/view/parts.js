// SPDX-License-Identifier: LGPL-3.0-or-later
/** Parts that several pages use: status, empty and error states, toasts, questions, menus, copying. */

import { RequestError } from "../net/http.js";
import { isLive } from "../net/link.js";
import { count, sentence } from "../model/format.js";
import { status } from "../model/status.js";
import { byId, fill, h, icon, stateIcon } from "./dom.js";

/** @typedef {import("../model/types.js").Job} Job */

/** The status of a job as an icon and a word. @param {Job} job @param {boolean} [badge] */
export function stateView(job, badge = false) {
  const { kind, word } = status(job);
  return h("span", { class: `state ${kind}${badge ? " badge" : ""}` }, stateIcon(kind), word);
}

/** A sentence with the ids of jobs as links. @param {string} text @returns {(Node | string)[]} */
export const withJobs = (text) => sentence(text).split(/(ƒ[1-9A-HJ-NP-Za-km-z]+)/).map((part, i) => (i % 2 ? h("a", { class: "mono", href: `/jobs/${part}` }, part) : part));

/**
 * What stands where there is nothing.
 * @param {string} title @param {string} [text] @param {{sleeping?: boolean, actions?: Node[], icon?: Node}} [options]
 */
export function blank(title, text = "", { sleeping = false, actions = [], icon: sign } = {}) {
  return h("div", { class: "blank" },
    sleeping && h("img", { src: "/static/logo.svg", alt: "", width: 80, height: 80 }),
    sign ?? false, h("h2", {}, title), text && h("p", {}, text), actions.length ? h("div", { class: "row" }, actions) : false);
}

/** What stands where something could not be had. @param {Error} error @param {() => void} [again] */
export function failure(error, again) {
  if (!(error instanceof RequestError)) reportError(error); // a fault of ours, not of the connection
  const actions = again ? [h("button", { on: { click: again } }, icon("again"), "Try again")] : [];
  return h("div", { role: "alert" }, blank("This could not be loaded", error.message, { actions }));
}

/** Grey bars while something comes. @param {number} lines */
export function skeleton(lines = 4) {
  const bars = Array.from({ length: lines }, (_, i) => {
    const bar = h("div", { class: "skeleton" });
    bar.style.width = `${90 - ((i * 37) % 50)}%`;
    return bar;
  });
  return h("div", { class: "stack", "aria-busy": "true", role: "status" }, h("span", { class: "sr" }, "Loading"), bars);
}

/** A button that changes something: it works only while the page is connected. @param {Record<string, any>} properties @param {...any} children */
export function action(properties, ...children) {
  const node = h("button", { type: "button", ...properties }, ...children);
  node.dataset.act = "";
  if (!isLive()) node.setAttribute("aria-disabled", "true");
  return node;
}

/** Buttons follow the connection. They stay focusable, and say why they do nothing. */
export function watchActions() {
  addEventListener("rosin:link", () => {
    for (const node of document.querySelectorAll("[data-act]")) {
      if (isLive()) node.removeAttribute("aria-disabled");
      else node.setAttribute("aria-disabled", "true");
    }
  });
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-act]") : null;
    if (!target || isLive()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    toast("This page is not connected: nothing can be changed now.", { bad: true });
  }, true);
}

/**
 * A message that goes by itself.
 * @param {string} text @param {{bad?: boolean, link?: [string, string]}} [options]
 */
export function toast(text, { bad = false, link } = {}) {
  const box = byId("toasts");
  const node = h("div", { class: bad ? "toast bad" : "toast", role: bad ? "alert" : "status" }, h("span", { class: "grow" }, text),
    link && h("a", { href: link[0] }, link[1]),
    h("button", { "aria-label": "Dismiss", on: { click: () => node.remove() } }, icon("close")));
  box.append(node);
  while (box.children.length > 4) box.firstElementChild?.remove();
  setTimeout(() => node.remove(), bad ? 12_000 : 6_000);
}

/**
 * Ask before something that cannot be undone. Resolves to whether, or to the value of the field.
 * @param {{title: string, text?: string, yes: string, no?: string, field?: HTMLElement & {value: string}, label?: string, danger?: boolean}} question
 * @returns {Promise<string | null>}
 */
export function ask({ title, text = "", yes, no = "Keep", field, label = "", danger = true }) {
  return new Promise((resolve) => {
    const heading = h("h2", { id: "ask-title" }, title);
    const confirm = h("button", { class: danger ? "danger solid" : "primary", value: "yes", type: "submit" }, yes);
    const form = h("form", { method: "dialog" },
      h("div", { class: "body" }, heading, text && h("p", { class: "soft" }, text),
        field && h("label", { class: "field" }, label, field)),
      h("footer", {}, h("button", { value: "", type: "submit" }, no), confirm));
    form.querySelector(".body")?.classList.add("stack");
    const dialog = h("dialog", { "aria-labelledby": "ask-title" }, form);
    dialog.addEventListener("close", () => {
      const answer = dialog.returnValue === "yes" ? (field ? field.value : "yes") : null;
      dialog.remove();
      resolve(answer);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close("");
    });
    document.body.append(dialog);
    dialog.showModal();
    (field ?? confirm).focus();
  });
}

/**
 * A menu below a button, closed by Escape, a click elsewhere, or a choice.
 * @param {HTMLElement} button @param {() => (HTMLElement | false)[]} entries made when it opens @param {{keep?: boolean, label?: string}} [options]
 */
export function menu(button, entries, { keep = false, label } = {}) {
  const box = h("div", { class: "menu", popover: "auto", role: keep ? "group" : "menu", "aria-label": label ?? button.textContent ?? "" });
  button.setAttribute("aria-haspopup", keep ? "true" : "menu");
  button.setAttribute("aria-expanded", "false");
  button.after(box);
  const items = () => /** @type {HTMLElement[]} */ ([...box.querySelectorAll("button, input, a")]);
  button.addEventListener("click", () => {
    fill(box, entries());
    if (!keep) for (const item of items()) item.setAttribute("role", "menuitem");
    box.showPopover();
    const at = button.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = box;
    box.style.left = `${Math.max(8, Math.min(at.right - offsetWidth, innerWidth - offsetWidth - 8))}px`;
    box.style.top = `${at.bottom + 6 + offsetHeight > innerHeight ? Math.max(8, at.top - offsetHeight - 6) : at.bottom + 6}px`;
    items()[0]?.focus();
  });
  box.addEventListener("toggle", (event) => {
    const open = /** @type {ToggleEvent} */ (event).newState === "open";
    button.setAttribute("aria-expanded", String(open));
  });
  box.addEventListener("click", (event) => {
    if (!keep && event.target instanceof Element && event.target.closest("button, a")) box.hidePopover();
  });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const all = items();
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    all[(at + step + all.length) % all.length]?.focus();
    event.preventDefault();
  });
  return box;
}

/** Put a text on the clipboard; where that is not allowed, show it. @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    const field = h("input", { value: text, readOnly: true, class: "mono" });
    setTimeout(() => field.select());
    await ask({ title: "Copy this", yes: "Done", no: "Close", field, label: "The browser allows no copying here", danger: false });
  }
}

/** A small button that copies. @param {string} text @param {string} label */
export const copyButton = (text, label) =>
  h("button", { type: "button", class: "quiet square small", "aria-label": label, title: label, on: { click: () => copy(text) } }, icon("copy"));

/** How much of what is up is in use, with its bar. @param {string} title @param {number} used @param {number} up @param {number} all */
export const figure = (title, used, up, all) => [
  h("span", { class: "label" }, title, all > up ? h("span", { class: "tiny" }, `${count(all - up)} down`) : false),
  h("strong", {}, count(used), h("small", {}, ` of ${count(up)}`)), meter(used, up, `${title} in use`),
];

/** A number of something with a bar. @param {number} used @param {number} all @param {string} label */
export function meter(used, all, label) {
  const bar = h("i");
  bar.style.width = all ? `${(100 * used) / all}%` : "0";
  return h("div", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": all, "aria-valuenow": used }, bar);
}
