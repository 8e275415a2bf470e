// SPDX-License-Identifier: LGPL-3.0-or-later
/** Server-sent events by fetch, which unlike EventSource can resume after any cut and shows why it was refused. */

/** @typedef {{event: string, data: string, id: string | null}} Message */

/** Takes the text of a stream apart, however it is cut. */
export class EventParser {
  constructor() {
    this.rest = "";
    this.fields = { event: "", data: /** @type {string[]} */ ([]), id: /** @type {string | null} */ (null) };
  }

  /** The messages that a piece of text completes. @param {string} text @returns {Message[]} */
  feed(text) {
    const found = [];
    this.rest += text;
    let end;
    while ((end = this.rest.search(/\r\n|\n|\r(?!$)/)) >= 0) {
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith("\r\n", end) ? 2 : 1));
      const message = this.line(line);
      if (message) found.push(message);
    }
    return found;
  }

  /** @param {string} line @returns {Message | null} */
  line(line) {
    const { fields } = this;
    if (line === "") {
      this.fields = { event: "", data: [], id: null };
      return fields.data.length ? { event: fields.event || "message", data: fields.data.join("\n"), id: fields.id } : null;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") fields.data.push(value);
    else if (name === "event") fields.event = value;
    else if (name === "id" && !value.includes("\0")) fields.id = value;
    return null;
  }
}

/** Milliseconds until the attempt after *failures* that came to nothing, up to 15 s. @param {number} failures */
export const delay = (failures) => Math.min(15_000, 500 * 2 ** Math.min(failures, 6));

/** Milliseconds without a byte after which a connection counts as dead: three keep-alives. */
export const SILENCE = 50_000;

/** A stream that comes back until it is closed; each message is given once, however often it is cut. */
export class EventStream {
  /**
   * @param {string} path
   * @param {(message: Message) => void} onMessage
   * @param {(state: "connecting" | "live" | "lost" | "denied", detail: string) => void} onState
   * @param {{fetch?: typeof fetch, last?: string | null}} [options]
   */
  constructor(path, onMessage, onState, options = {}) {
    this.path = path;
    this.onMessage = onMessage;
    this.onState = onState;
    this.fetch = options.fetch ?? ((...args) => fetch(...args));
    this.last = options.last ?? null;
    this.failures = 0;
    this.closed = false;
    /** @type {AbortController | null} */
    this.abort = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.open();
  }

  async open() {
    clearTimeout(this.timer);
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.onState("connecting", "");
    let reason = "The server cannot be reached.";
    try {
      /** @type {Record<string, string>} */
      const headers = { Accept: "text/event-stream" };
      if (this.last !== null) headers["Last-Event-ID"] = this.last;
      const response = await this.fetch(this.path, { headers, signal, cache: "no-store" });
      if (response.status === 401 || response.status === 403) {
        this.closed = true;
        this.onState("denied", "You are no longer signed in.");
        return;
      }
      if (!response.ok || !response.body) {
        const body = await response.json().catch(() => null);
        throw new Error(body?.detail ?? `The server answered ${response.status}.`);
      }
      this.onState("live", "");
      await this.read(response.body.getReader(), signal);
      reason = "The connection was cut.";
    } catch (error) {
      if (signal.aborted && this.closed) return;
      const { name, message } = /** @type {Error} */ (error);
      if (name !== "TypeError" && name !== "AbortError") reason = message;
    }
    if (this.closed) return;
    this.onState("lost", reason);
    this.timer = setTimeout(() => this.open(), delay(this.failures));
    this.failures += 1;
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader @param {AbortSignal} signal */
  async read(reader, signal) {
    const parser = new EventParser();
    const decoder = new TextDecoder();
    let watch = setTimeout(() => this.abort?.abort(), SILENCE);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done || signal.aborted) return;
        clearTimeout(watch);
        watch = setTimeout(() => this.abort?.abort(), SILENCE);
        for (const message of parser.feed(decoder.decode(value, { stream: true }))) {
          this.failures = 0;
          if (message.id !== null) this.last = message.id;
          this.onMessage(message);
        }
      }
    } finally {
      clearTimeout(watch);
    }
  }

  /** Try at once instead of waiting for the next attempt. */
  retry() {
    if (this.closed) return;
    this.failures = 0;
    if (this.abort) this.abort.abort();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), 0);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.abort?.abort();
  }
}
