// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * This tab's end of the stream. The stream itself is in a SharedWorker. A browser without those (phones) holds its
 * own, only while the page can be seen: it resumes where it was, and hidden tabs hold no connection.
 */

import { Hub } from "./hub.js";
import { EVENTS } from "./paths.js";

/** @typedef {import("./hub.js").LinkState} LinkState */

/** Milliseconds that a page may be hidden before its own stream is closed. */
const HIDDEN = 10_000;

const listeners = new Set();
/** @type {Map<() => void, string>} who wants to know that a job has written, and which */
const watchers = new Map();
/** @type {(ids: string[]) => void} */
let watch = () => {};
/** @type {LinkState} */
let link = { state: "connecting", detail: "", since: Date.now() };
/** @type {() => void} */
let again = () => {};

/** @param {import("./hub.js").HubMessage} message */
function take(message) {
  if (message.kind === "link") {
    link = message.link;
    document.documentElement.dataset.link = link.state;
    dispatchEvent(new CustomEvent("rosin:link", { detail: link }));
  } else if (message.name === "written") {
    for (const [listener, id] of [...watchers]) if (id === message.data?.id) listener();
  } else for (const listener of [...listeners]) listener(message.name, message.data, message.id);
}

/** How the connection is. */
export const linkState = () => link;

/** Whether what is shown is current, so that clocks may go on and buttons may be used. */
export const isLive = () => link.state === "live";

/** Now, or when the connection was lost: what clocks show. Milliseconds. */
export const now = () => (link.state === "lost" || link.state === "gone" || link.state === "denied" ? link.since : Date.now());

/** Call *listener* with (name, data, id) of every event; returns what ends that. @param {(name: string, data: any, id: string | null) => void} listener */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call *listener* whenever a job has written something; returns what ends that. @param {string} id @param {() => void} listener */
export function onWritten(id, listener) {
  watchers.set(listener, id);
  watch([...watchers.values()]);
  return () => {
    watchers.delete(listener);
    watch([...watchers.values()]);
  };
}

/** Try to connect at once. */
export const reconnect = () => again();

export function connect() {
  if (typeof SharedWorker === "function") {
    try {
      throughWorker();
      return;
    } catch {
      // Not allowed here (some private windows): as without.
    }
  }
  alone();
}

function throughWorker() {
  const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: "rosin" });
  worker.onerror = () => alone();
  const { port } = worker;
  port.onmessage = ({ data }) => take(data);
  port.start();
  port.postMessage("join");
  again = () => port.postMessage("retry");
  watch = (ids) => port.postMessage({ watch: ids });
  addEventListener("pagehide", () => port.postMessage("leave"));
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    port.postMessage("join");
    watch([...watchers.values()]);
  });
}

function alone() {
  const hub = new Hub(EVENTS);
  again = () => hub.retry();
  watch = (ids) => { if (joined) hub.watch(take, ids); };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let joined = false;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      if (!joined) hub.join(take);
      joined = true;
      watch([...watchers.values()]);
    } else timer = setTimeout(() => { joined = false; hub.leave(take); }, HIDDEN);
  };
  document.addEventListener("visibilitychange", look);
  look();
}
