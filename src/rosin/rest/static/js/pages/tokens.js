// SPDX-License-Identifier: LGPL-3.0-or-later
/** The tokens with which programs come in: made, listed, revoked. */

import * as api from "../net/api.js";
import { date } from "../model/format.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, blank, copyButton, failure, skeleton, toast } from "../view/parts.js";

const SCOPES = { read: "Look at jobs, output and resources", submit: "Submit jobs", control: "Cancel and change jobs", admin: "Everything, also drain nodes and stop the instance" };
const LIVES = { "1d": "1 day", "30d": "30 days", "90d": "90 days", "365d": "1 year", never: "no end" };

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export function open(main, context) {
  context.title("Tokens");
  const body = h("div", {}, skeleton(3));
  const fresh = h("div", { role: "status" });
  const add = action({ class: "primary", on: { click: create } }, icon("plus"), "New token");
  fill(main, h("div", { class: "head" }, h("h1", {}, "Tokens"), h("span", { class: "grow" }), add),
    h("p", { class: "soft" }, "A program sends a token as ", h("code", {}, "Authorization: Bearer …"), ". It can do what its scopes say, until it ends or is revoked."),
    fresh, h("section", { class: "card scroll" }, body));

  async function load() {
    try {
      const { tokens } = await api.getTokens();
      if (!context.signal.aborted) draw(tokens);
    } catch (error) {
      if (!context.signal.aborted) fill(body, failure(/** @type {Error} */ (error), load));
    }
  }

  /** @param {any[]} tokens */
  function draw(tokens) {
    if (!tokens.length) {
      fill(body, blank("No tokens", "Programs that come with one need no name and no password.", { icon: icon("tokens") }));
      return;
    }
    const titles = ["Name", "Scopes", "Made", "Ends", "Last used", ""];
    fill(body, h("table", { class: "plain folds" }, h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title || h("span", { class: "sr" }, "Actions"))))),
      h("tbody", {}, tokens.map((token) => h("tr", {}, h("th", { scope: "row" }, token.name), h("td", { data: { label: "Scopes" } }, h("div", { class: "row" }, token.scopes.map((/** @type {string} */ scope) => h("span", { class: "pill" }, scope)))),
        h("td", { class: "tabular", data: { label: "Made" } }, date(token.created)), h("td", { class: "tabular", data: { label: "Ends" } }, token.expires ? date(token.expires) : "never"), h("td", { class: "tabular soft", data: { label: "Last used" } }, token.used ? date(token.used) : "not yet"),
        h("td", {}, h("div", { class: "row acts" }, action({ class: "small danger", on: { click: () => revoke(token) } }, "Revoke"))))))));
  }

  /** @param {any} token */
  async function revoke(token) {
    if (!(await ask({ title: `Revoke ${token.name}?`, text: "Programs that use it are refused from then on.", yes: "Revoke", no: "Keep" }))) return;
    try {
      await api.revokeToken(token.id);
      toast(`${token.name} is revoked.`);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { bad: true });
    }
    load();
  }

  function create() {
    const name = h("input", { required: true, maxLength: 64, placeholder: "what it is for", autocomplete: "off" });
    const boxes = Object.entries(SCOPES).map(([scope, words]) => ({ scope, words, box: h("input", { type: "checkbox", checked: scope === "read" }) }));
    const life = h("select", {}, Object.entries(LIVES).map(([value, words]) => h("option", { value, selected: value === "90d" }, words)));
    const fault = h("p", { class: "note bad", role: "alert", hidden: true });
    const form = h("form", { on: { submit: send } },
      h("div", { class: "body stack" }, h("h2", { id: "token-title" }, "New token"), h("label", { class: "field" }, "Name", name),
        h("fieldset", { class: "stack" }, h("legend", {}, "It may"), boxes.map(({ words, box }) => h("label", { class: "check" }, box, words))),
        h("label", { class: "field" }, "It lives", life), fault),
      h("footer", {}, h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Make it")));
    const dialog = h("dialog", { class: "sheet", "aria-labelledby": "token-title" }, form);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    name.focus();

    /** @param {Event} event */
    async function send(event) {
      event.preventDefault();
      try {
        const made = await api.createToken({ name: name.value.trim(), scopes: boxes.filter(({ box }) => box.checked).map(({ scope }) => scope), expires: life.value });
        dialog.close();
        fill(fresh, h("div", { class: "note wait" }, icon("tokens"), h("div", { class: "grow" }, h("strong", {}, `${made.name}: copy it now, it is not shown again.`), h("div", { class: "row" }, h("code", { class: "secret" }, made.token), copyButton(made.token, "Copy the token")))));
        load();
      } catch (error) {
        fault.hidden = false;
        fault.textContent = /** @type {Error} */ (error).message;
      }
    }
  }

  load();
}
