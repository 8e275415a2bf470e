// SPDX-License-Identifier: LGPL-3.0-or-later
/** What is the same on all pages: the connection and what is said of it, the theme, the keys. */

import { connect, linkState, onEvent, reconnect } from "./net/link.js";
import { date } from "./model/format.js";
import { openPalette } from "./pages/palette.js";
import { go, start } from "./router.js";
import { byId, fill, h, icon, setText } from "./view/dom.js";
import { watchActions } from "./view/parts.js";

const root = document.documentElement;

// -- the connection ----------------------------------------------------------------------------------------

/** @type {Record<string, string>} */
const LINK = { connecting: "Connecting", live: "Live", lost: "Reconnecting", gone: "Instance ended", denied: "Signed out" };

function showLink() {
  const link = linkState();
  const light = byId("link");
  light.dataset.state = link.state;
  setText(light.querySelector("span") ?? light, LINK[link.state]);
  light.title = link.detail || LINK[link.state];
  const banner = byId("banner");
  const bad = link.state !== "live" && link.state !== "connecting";
  banner.hidden = !bad;
  root.toggleAttribute("data-banner", bad);
  if (!bad) return;
  const since = h("span", { class: "soft tabular" }, `What is shown is of ${date(link.since / 1000)}.`);
  banner.className = link.state === "lost" ? "" : "bad";
  const again = h("button", { class: "small", on: { click: reconnect } }, icon("again"), "Try now");
  if (link.state === "lost") {
    fill(banner, icon("warning"), h("strong", {}, "The server does not answer."), h("span", {}, `${link.detail} This page tries again by itself.`), since, h("span", { class: "grow" }), again);
  } else if (link.state === "gone") {
    fill(banner, icon("warning"), h("strong", {}, "The instance has ended."), h("span", {}, `${link.detail} Start one with `, h("code", {}, "rosin start rosin serve"), ", or close this page."), since, h("span", { class: "grow" }), again);
  } else {
    fill(banner, icon("warning"), h("strong", {}, "You are signed out."), h("span", {}, "Sign in again to go on; nothing is lost."), h("span", { class: "grow" }), h("a", { class: "button small", href: location.href }, "Sign in"));
  }
}

addEventListener("rosin:link", showLink);

// -- the theme ---------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

function showTheme() {
  const button = byId("theme");
  const word = isDark() ? "Light theme" : "Dark theme";
  fill(button, icon(isDark() ? "sun" : "moon"), h("span", { class: "word" }, word));
  button.title = word;
  button.setAttribute("aria-label", word);
}

byId("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("rosin-theme", root.dataset.theme);
  } catch {
    // It lasts as long as the page, then.
  }
  showTheme();
});
dark.addEventListener("change", showTheme);

// -- the keys ----------------------------------------------------------------------------------------------

/** @type {Record<string, string>} */
const GO = { o: "/", j: "/jobs", n: "/jobs/submit", r: "/resources", q: "/queues", e: "/events", t: "/tokens", w: "/webhooks", a: "/about" };
let prefix = 0;

/** Everything that the palette offers besides jobs. */
function palette() {
  const keys = Object.fromEntries(Object.entries(GO).map(([key, path]) => [path, `g ${key}`]));
  const links = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll("#side nav a")]);
  const entries = links.map((link) => ({ title: link.textContent?.trim() ?? "", icon: icon(/** @type {any} */ (link.dataset.icon)), hint: keys[link.pathname], run: () => go(link.pathname) }));
  const theme = byId("theme");
  openPalette([ // at once: what is typed next is for it
    ...entries,
    { title: theme.title, icon: icon(isDark() ? "sun" : "moon"), run: () => theme.click() },
    { title: "Jobs that run", icon: icon("jobs"), run: () => go("/jobs?state=running") },
    { title: "Jobs that wait", icon: icon("jobs"), run: () => go("/jobs?state=waiting") },
    { title: "Jobs that failed", icon: icon("jobs"), run: () => go("/jobs?state=failed") },
    { title: "Keys", icon: icon("about"), hint: "?", run: help },
  ]);
}

addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && !document.querySelector(".terminal:focus")) {
    event.preventDefault();
    palette();
  }
});

addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest("input, textarea, select, dialog, .terminal, [contenteditable]")) return;
  if (event.key === "/") {
    const field = /** @type {HTMLElement | null} */ (document.querySelector("#main input[type=search]"));
    if (!field) return;
    field.focus();
    event.preventDefault();
  } else if (event.key === "?") help();
  else if (event.key === "g") prefix = event.timeStamp;
  else if (event.timeStamp - prefix < 1500 && GO[event.key]) {
    prefix = 0;
    go(GO[event.key]);
    event.preventDefault();
  } else if (event.key === "c" || event.key === "n") go("/jobs/submit");
});

function help() {
  const rows = [
    ["Ctrl k", "any page, action or job"], ["/", "search"], ["n", "new job"], ["g o", "overview"], ["g j", "jobs"], ["g r", "resources"], ["g q", "queues"], ["g e", "events"], ["g w", "webhooks"],
    ["↑ ↓", "move in the table"], ["Space", "select a job"], ["Shift ↑ ↓", "select several"], ["Enter", "open a job"], ["Ctrl Enter", "send the form"], ["?", "this list"],
  ];
  const dialog = h("dialog", { "aria-labelledby": "keys-title" }, h("div", { class: "body" }, h("h2", { id: "keys-title" }, "Keys"),
    h("dl", { class: "facts" }, rows.flatMap(([keys, what]) => [h("dt", {}, keys.split(" ").flatMap((key) => [h("kbd", {}, key), " "])), h("dd", {}, what)]))),
  h("footer", {}, h("form", { method: "dialog" }, h("button", {}, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

for (const link of document.querySelectorAll("#side nav a")) {
  link.prepend(icon(/** @type {any} */ (link).dataset.icon));
}
showTheme();
watchActions();
onEvent(() => {});
connect();
start();
