// SPDX-License-Identifier: LGPL-3.0-or-later
/** What runs here. */

import * as api from "../net/api.js";
import { date, duration } from "../model/format.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, failure, skeleton, toast } from "../view/parts.js";
import { post } from "../net/http.js";

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export async function open(main, context) {
  context.title("About");
  const facts = h("div", {}, skeleton(4));
  fill(main, h("div", { class: "about" }, h("img", { src: "/static/logo.svg", alt: "A calm face, asleep between two circling arrows", width: 144, height: 144 }),
    h("h1", {}, "Rosin"), h("p", { class: "soft" }, "A resource manager that speaks Flux. It is being restful."),
    h("section", { class: "card" }, h("div", { class: "body" }, facts)),
    h("div", { class: "row" },
      h("a", { class: "button", href: "/docs" }, "The API"), h("a", { class: "button", href: "/openapi.json" }, "OpenAPI"),
      h("a", { class: "button", href: "/tokens" }, icon("tokens"), "Tokens"), h("a", { class: "button", href: "/webhooks" }, icon("webhooks"), "Webhooks"), h("a", { class: "button", href: "/events" }, icon("events"), "Events"),
      action({ class: "danger", on: { click: stop } }, icon("stop"), "Stop the instance"))));
  try {
    const about = await api.getInstance();
    /** @type {[string, any][]} */
    const rows = [["Server", `Rosin ${about.server}`], ["Instance", `${about.rosin ? "Rosin" : "flux-core"} ${about.version}`], ["Owner", about.owner.name], ["You", about.user],
      ["Brokers", about.size], ["Hosts", about.hosts], ["Level", about.level || ""], ["Job of its parent", about.jobid], ["Parent", about.parent_uri],
      ["Started", about.start ? date(about.start) : ""], ["Up for", about.start ? duration(about.now - about.start) : ""]];
    fill(facts, h("dl", { class: "facts" }, rows.filter(([, value]) => value !== undefined && value !== null && value !== "").flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))])));
  } catch (error) {
    fill(facts, failure(/** @type {Error} */ (error)));
  }
}

async function stop() {
  const text = "All jobs that wait or run are ended, and this page goes away, too. This cannot be taken back.";
  if (!(await ask({ title: "Stop this instance?", text, yes: "Stop the instance", no: "Keep it running" }))) return;
  try {
    await post("/service/stop");
    toast("The instance is stopping.");
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { bad: true });
  }
}
