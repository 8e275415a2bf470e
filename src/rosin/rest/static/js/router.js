// SPDX-License-Identifier: LGPL-3.0-or-later
/** Pages by address. Links within the application change the page without loading it again. */

import { readState, writeState } from "./model/urlstate.js";
import { byId, fill } from "./view/dom.js";
import { failure, skeleton } from "./view/parts.js";

/**
 * @typedef {object} Context what a page is given
 * @property {string} id the part of the path that varies
 * @property {<T extends Record<string, string>>(defaults: T) => T} state the view's state from the address
 * @property {(state: Record<string, string>, defaults: Record<string, string>, push?: boolean) => void} save put it there
 * @property {string} hash
 * @property {(title: string) => void} title of the window
 * @property {AbortSignal} signal of the page's end
 */
/** @typedef {{open: (main: HTMLElement, context: Context) => void | (() => void) | Promise<void | (() => void)>}} Page */

/** @type {[RegExp, string, () => Promise<Page>][]} */
const PAGES = [
  [/^\/$/, "overview", () => import("./pages/overview.js")],
  [/^\/jobs$/, "jobs", () => import("./pages/jobs.js")],
  [/^\/jobs\/submit$/, "submit", () => import("./pages/submit.js")],
  [/^\/jobs\/([^/]+)$/, "jobs", () => import("./pages/job.js")],
  [/^\/resources$/, "resources", () => import("./pages/resources.js")],
  [/^\/queues$/, "queues", () => import("./pages/queues.js")],
  [/^\/events$/, "events", () => import("./pages/events.js")],
  [/^\/tokens$/, "tokens", () => import("./pages/tokens.js")],
  [/^\/webhooks$/, "webhooks", () => import("./pages/webhooks.js")],
  [/^\/about$/, "about", () => import("./pages/about.js")],
];

/** @param {string} path */
const find = (path) => {
  for (const [pattern, name, load] of PAGES) {
    const match = pattern.exec(path);
    if (match) return { name, load, id: decodeURIComponent(match[1] ?? "") };
  }
  return null;
};

/** Whether a page of this application is at a path. @param {string} path */
export const isPage = (path) => find(path) !== null;

/** @type {(() => void)[]} */
let closing = [];
let shown = 0;

async function show() {
  const turn = (shown += 1);
  const found = find(location.pathname);
  const main = byId("main");
  if (!found || "fixed" in main.dataset) {
    delete main.dataset.fixed; // the server has written it; what comes next is ours
    return;
  }
  for (const close of closing) close();
  closing = [];
  for (const link of document.querySelectorAll("#side nav a")) {
    if (/** @type {HTMLElement} */ (link).dataset.page === found.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const end = new AbortController();
  closing.push(() => end.abort());
  main.className = `page-${found.name}`;
  if (turn > 1 || !main.querySelector("[aria-busy]")) fill(main, skeleton(6));
  try {
    const page = await found.load();
    if (turn !== shown) return;
    fill(main);
    const close = await page.open(main, context(found.id, end.signal));
    if (close && turn === shown) closing.push(close);
    else if (close) close();
  } catch (error) {
    if (turn === shown) fill(main, failure(/** @type {Error} */ (error), () => show()));
  }
}

/** @param {string} id @param {AbortSignal} signal @returns {Context} */
const context = (id, signal) => ({
  id,
  signal,
  hash: location.hash.slice(1),
  state: (defaults) => readState(location.search, defaults),
  save: (state, defaults, push = false) => {
    const url = location.pathname + writeState(state, defaults) + location.hash;
    if (url === location.pathname + location.search + location.hash) return;
    if (push) history.pushState(null, "", url);
    else history.replaceState(null, "", url);
  },
  title: (title) => { document.title = title ? `${title} · Rosin` : "Rosin"; },
});

/** Show the page at an address. @param {string} url @param {boolean} [replace] */
export function go(url, replace = false) {
  const target = new URL(url, location.href);
  const same = target.pathname === location.pathname && target.search === location.search;
  if (!isPage(target.pathname) || target.origin !== location.origin) {
    location.assign(target.href);
    return;
  }
  history[replace || same ? "replaceState" : "pushState"](null, "", target.href);
  show();
  byId("main").focus({ preventScroll: true });
  scrollTo(0, 0);
}

export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin || !isPage(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    event.preventDefault();
    go(link.href);
  });
  addEventListener("popstate", () => show());
  show();
}
