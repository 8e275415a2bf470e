// SPDX-License-Identifier: LGPL-3.0-or-later
/** One event stream for everybody who listens: all tabs of a browser, in a SharedWorker. */

import { EventStream } from "./sse.js";

/** @typedef {{state: "connecting" | "live" | "lost" | "gone" | "denied", detail: string, since: number}} LinkState */
/** @typedef {{kind: "link", link: LinkState} | {kind: "event", name: string, data: any, id: string | null}} HubMessage */
/** @typedef {(message: HubMessage) => void} Listener */

/** Jobs of whose writing the server tells one reader. */
const MOST = 32;

export class Hub {
  /**
   * @param {string} path of the stream
   * @param {{fetch?: typeof fetch, now?: () => number}} [options]
   */
  constructor(path, options = {}) {
    this.path = path;
    this.options = options;
    this.now = options.now ?? (() => Date.now());
    /** @type {Map<Listener, string[]>} each with the jobs of whose writing it wants to hear */
    this.listeners = new Map();
    /** @type {EventStream | null} */
    this.stream = null;
    /** @type {string | null} */
    this.last = null;
    /** @type {LinkState} */
    this.link = { state: "connecting", detail: "", since: this.now() };
  }

  /** A new listener is told how things are; the first one opens the stream. @param {Listener} listener */
  join(listener) {
    this.listeners.set(listener, this.listeners.get(listener) ?? []);
    listener({ kind: "link", link: this.link });
    if (this.stream === null) this.open();
  }

  /** The last listener to leave closes the stream. @param {Listener} listener */
  leave(listener) {
    this.listeners.delete(listener);
    if (!this.listeners.size) this.close();
    else this.follow();
  }

  /** Tell this listener, too, when these jobs write something. @param {Listener} listener @param {string[]} ids */
  watch(listener, ids) {
    this.listeners.set(listener, ids);
    this.follow();
  }

  /** Ask for what is wanted now: the stream goes on from the last event. */
  follow() {
    const wanted = this.wanted();
    if (wanted === this.following || !this.stream || this.stream.closed) return;
    this.close();
    this.open();
  }

  /** The path of what all listeners want; of too many jobs the newest. */
  wanted() {
    const ids = [...new Set([...this.listeners.values()].flat())].slice(-MOST).sort();
    return ids.length ? `${this.path}&written=${ids.map(encodeURIComponent).join(",")}` : this.path;
  }

  close() {
    if (!this.stream) return;
    this.last = this.stream.last;
    this.stream.close();
    this.stream = null;
  }

  open() {
    this.following = this.wanted();
    this.stream = new EventStream(
      this.following,
      (message) => this.take(message),
      (state, detail) => this.onState(state, detail),
      { fetch: this.options.fetch, last: this.last },
    );
  }

  /** @param {"connecting" | "live" | "lost" | "denied"} state @param {string} detail */
  onState(state, detail) {
    const { link } = this;
    if (state === "connecting" && link.state !== "connecting") return; // another attempt changes nothing yet
    if (state === "live" && link.state === "gone") return; // until something comes
    if (state === "lost" && link.state === "gone") return;
    this.show(state, detail);
  }

  /** @param {LinkState["state"]} state @param {string} detail */
  show(state, detail) {
    if (state === this.link.state && detail === this.link.detail) return;
    const since = state === this.link.state ? this.link.since : this.now();
    this.link = { state, detail, since };
    this.tell({ kind: "link", link: this.link });
  }

  /** @param {import("./sse.js").Message} message */
  take(message) {
    let data = null;
    try {
      data = JSON.parse(message.data);
    } catch {
      return; // not of this server
    }
    if (message.event === "gone") {
      this.show("gone", typeof data?.reason === "string" ? data.reason : "The instance has ended.");
      return;
    }
    this.show("live", "");
    this.tell({ kind: "event", name: message.event, data, id: message.id });
  }

  /** @param {HubMessage} message */
  tell(message) {
    for (const listener of this.listeners.keys()) listener(message);
  }

  retry() {
    if (this.stream?.closed) {
      this.stream = null;
      this.open();
    } else this.stream?.retry();
  }
}
