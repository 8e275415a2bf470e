// SPDX-License-Identifier: LGPL-3.0-or-later
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../../src/rosin/rest/static/js/net/hub.js";
import { EventParser, EventStream, delay } from "../../../src/rosin/rest/static/js/net/sse.js";

test("a stream is read the same however it is cut", () => {
  const whole = ": hello\n\nid: 1\nevent: job\ndata: {\"a\":\ndata: 1}\n\r\nid: 2\r\ndata: x\r\n\r\n";
  for (let size = 1; size < whole.length; size += 1) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < whole.length; at += size) found.push(...parser.feed(whole.slice(at, at + size)));
    assert.deepEqual(found, [
      { event: "job", data: "{\"a\":\n1}", id: "1" },
      { event: "message", data: "x", id: "2" },
    ], `in pieces of ${size}`);
  }
});

test("attempts become rarer, but not too rare", () => {
  assert.equal(delay(0), 500);
  assert.ok(delay(3) > delay(2));
  assert.equal(delay(100), 15_000);
});

/** A server whose answers the test gives one after the other. */
class Server {
  constructor() {
    this.asked = [];
    this.waiting = [];
    this.fetch = (path, options) => new Promise((resolve, reject) => {
      this.asked.push({ path, last: options.headers["Last-Event-ID"] ?? null });
      options.signal.addEventListener("abort", () => reject(Object.assign(new Error("aborted"), { name: "AbortError" })));
      this.answer = resolve;
      this.refuse = reject;
      this.waiting.shift()?.();
    });
  }

  next() {
    return new Promise((resolve) => { this.waiting.push(resolve); });
  }
}

function body(pieces, more) {
  const encoder = new TextEncoder();
  return new Response(new ReadableStream({
    async pull(controller) {
      if (pieces.length) controller.enqueue(encoder.encode(pieces.shift()));
      else if (more) await more;
      else controller.close();
    },
  }), { status: 200 });
}

test("a stream that is cut resumes from the last event, so that nothing comes twice", async () => {
  const server = new Server();
  const got = [];
  const states = [];
  const stream = new EventStream("/e", (message) => got.push(message.id), (state) => states.push(state), { fetch: server.fetch });
  let again = server.next();
  server.answer(body(["id: 7\ndata: 1\n\nid: 8\ndata", ": 2\n\n", "id: 9\ndata: cut off\n"]));
  await again;
  assert.deepEqual(got, ["7", "8"]);
  assert.deepEqual(server.asked.map((one) => one.last), [null, "8"]);
  again = server.next();
  server.answer(body(["id: 9\ndata: 3\n\n"]));
  await again;
  assert.deepEqual(got, ["7", "8", "9"]);
  assert.equal(server.asked[2].last, "9");
  assert.deepEqual(states.slice(0, 4), ["connecting", "live", "lost", "connecting"]);
  stream.close();
});

test("who is signed out is told once and asks no more", async () => {
  const server = new Server();
  const states = [];
  const told = new Promise((resolve) => new EventStream("/e", () => {}, (state) => { states.push(state); if (state === "denied") resolve(); }, { fetch: server.fetch }));
  server.answer(new Response(null, { status: 401 }));
  await told;
  assert.equal(server.asked.length, 1);
  assert.deepEqual(states, ["connecting", "denied"]);
});

test("all listeners of a hub share one stream, which ends with the last of them", async () => {
  const server = new Server();
  const hub = new Hub("/e", { fetch: server.fetch });
  const got = [[], []];
  const listeners = got.map((list) => (message) => list.push(message));
  listeners.forEach((listener) => hub.join(listener));
  assert.equal(server.asked.length, 1);
  const arrived = new Promise((resolve) => hub.join((message) => { if (message.kind === "event") resolve(); }));
  server.answer(body(["id: 1\nevent: job\ndata: {\"n\":1}\n\n"], new Promise(() => {})));
  await arrived;
  for (const list of got) assert.deepEqual(list.filter((message) => message.kind === "event"), [{ kind: "event", name: "job", data: { n: 1 }, id: "1" }]);
  hub.leave(listeners[0]);
  assert.ok(hub.stream);
  for (const listener of [...hub.listeners.keys()]) hub.leave(listener);
  assert.equal(hub.stream, null);
  hub.join(listeners[0]);
  assert.equal(server.asked[1].last, "1", "a new stream goes on where the old one was");
  hub.leave(listeners[0]);
});

test("a hub asks for the writing of the jobs that its listeners want, and goes on where it was", async () => {
  const server = new Server();
  const hub = new Hub("/e?a=1", { fetch: server.fetch });
  const links = [];
  const [one, two] = [(message) => { if (message.kind === "link") links.push(message.link.state); }, () => {}];
  hub.join(one);
  hub.join(two);
  const arrived = new Promise((resolve) => hub.join((message) => { if (message.kind === "event") resolve(); }));
  server.answer(body(["id: 7\nevent: job\ndata: {}\n\n"], new Promise(() => {})));
  await arrived;
  hub.watch(one, ["f2"]);
  hub.watch(two, ["f1", "f2"]);
  hub.watch(two, ["f1", "f2"]);
  hub.watch(one, []);
  assert.deepEqual(server.asked.map(({ path, last }) => [path, last]), [["/e?a=1", null], ["/e?a=1&written=f2", "7"], ["/e?a=1&written=f1,f2", "7"]]);
  hub.leave(two);
  assert.equal(server.asked[3].path, "/e?a=1");
  assert.deepEqual(new Set(links), new Set(["connecting", "live"]), "nobody sees that it was opened anew");
  for (let n = 0; n < 40; n += 1) hub.watch(one, Array.from({ length: n }, (_, i) => `f${i}`));
  assert.equal(server.asked.at(-1).path.split("=").at(-1).split(",").length, 32);
  for (const listener of [...hub.listeners.keys()]) hub.leave(listener);
});

test("an instance that has gone is gone until something comes again", async () => {
  let clock = 1000;
  const hub = new Hub("/e", { fetch: () => new Promise(() => {}), now: () => clock });
  const links = [];
  const listener = (message) => { if (message.kind === "link") links.push(message.link); };
  hub.join(listener);
  hub.onState("live", "");
  clock = 2000;
  hub.take({ event: "gone", data: "{\"reason\":\"it was shut down\"}", id: null });
  assert.deepEqual(hub.link, { state: "gone", detail: "it was shut down", since: 2000 });
  clock = 3000;
  hub.onState("lost", "The connection was cut.");
  hub.onState("live", "");
  assert.equal(hub.link.state, "gone");
  assert.equal(hub.link.since, 2000, "clocks stand where it ended");
  hub.take({ event: "job", data: "{}", id: "1" });
  assert.equal(hub.link.state, "live");
  hub.take({ event: "job", data: "not json", id: "2" });
  hub.leave(listener);
});
