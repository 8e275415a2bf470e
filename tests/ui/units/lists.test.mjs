// SPDX-License-Identifier: LGPL-3.0-or-later
import assert from "node:assert/strict";
import { test } from "node:test";
import { score } from "../../../src/rosin/rest/static/js/model/fuzzy.js";
import { BLOCK, Blocks } from "../../../src/rosin/rest/static/js/model/blocks.js";
import { JobList, PAGE } from "../../../src/rosin/rest/static/js/model/joblist.js";
import { Selection } from "../../../src/rosin/rest/static/js/model/selection.js";
import { LogSource } from "../../../src/rosin/rest/static/js/model/logsource.js";

test("a million lines: positions and blocks agree, before and after measuring", () => {
  const blocks = new Blocks(20);
  blocks.resize(1_000_000);
  assert.equal(blocks.total, 20_000_000);
  assert.equal(blocks.at(0), 0);
  assert.equal(blocks.at(19_999_999), blocks.count - 1);
  for (const block of [0, 1, 777, blocks.count - 1]) assert.equal(blocks.at(blocks.top(block) + 1), block);
  assert.equal(blocks.measure(10, 5000), 4000);
  assert.equal(blocks.top(11), 11 * BLOCK * 20 + 4000);
  assert.equal(blocks.top(10), 10 * BLOCK * 20);
  blocks.resize(1_000_010);
  assert.equal(blocks.height(10), 5000, "what comes at the end changes nothing above");
  blocks.reset();
  assert.equal(blocks.total, 20_000_200);
});

test("the last block is measured again when lines are added to it", () => {
  const blocks = new Blocks(20);
  blocks.resize(BLOCK + 3);
  blocks.measure(1, 100);
  blocks.resize(BLOCK + 7);
  assert.equal(blocks.height(1), 140);
  blocks.resize(0);
  assert.equal(blocks.total, 0);
  assert.equal(blocks.at(10), 0);
});

/** A server with jobs n to 0, newest first, by cursor. */
class Jobs {
  constructor(count) {
    this.rows = [...Array(count).keys()].reverse().map((n) => ({ id: `j${n}`, n, state: "RUN" }));
    this.requests = 0;
  }

  page = async ({ cursor, limit }) => {
    this.requests += 1;
    const from = cursor === "" ? 0 : this.rows.findIndex((job) => job.n < Number(cursor));
    const items = from < 0 ? [] : this.rows.slice(from, from + limit).map((job) => ({ ...job }));
    const more = from >= 0 && from + limit < this.rows.length;
    return { items, next: more ? String(items.at(-1).n) : null, total: this.rows.length, counts: { total: this.rows.length, run: this.rows.length, inactive: 0, failed: 0 } };
  };

  add(count) {
    for (let i = 0; i < count; i += 1) this.rows.unshift({ id: `j${this.rows[0].n + 1}`, n: this.rows[0].n + 1, state: "SCHED" });
  }
}

const order = (list) => [...list.jobs()].map((job) => job.n);
const descends = (numbers) => numbers.every((n, i) => i === 0 || n === numbers[i - 1] - 1);

test("jobs are fetched as far as they are looked at, and no job twice", async () => {
  const server = new Jobs(10_000);
  const list = new JobList(server.page, () => {});
  await list.ensure(0);
  assert.equal(list.loaded, PAGE);
  assert.equal(list.total, 10_000);
  await Promise.all([list.ensure(900), list.ensure(950)]);
  assert.ok(list.loaded > 950 && list.loaded < 10_000);
  assert.equal(list.at(900).id, "j9099");
  await list.ensure(9_999);
  assert.equal(list.loaded, 10_000);
  assert.ok(descends(order(list)));
  assert.ok(server.requests < 15, `${server.requests} requests`);
});

test("new jobs come on top, in order, whether they are few or more than a page", async () => {
  const server = new Jobs(1000);
  const list = new JobList(server.page, () => {});
  await list.ensure(399);
  server.add(3);
  await list.refresh(0, 20);
  assert.equal(list.at(0).id, "j1002");
  assert.equal(list.indexOf("j999"), 3);
  assert.equal(list.total, 1003);
  server.add(5 * PAGE);
  await list.refresh(0, 20);
  assert.ok(descends(order(list)));
  await list.ensure(1500);
  assert.ok(descends(order(list)));
  assert.equal(list.total, 2003);
});

test("jobs that do not match any more go", async () => {
  const server = new Jobs(600);
  const list = new JobList(server.page, () => {});
  await list.ensure(599);
  server.rows = server.rows.filter((job) => job.n !== 590);
  await list.refresh(0, 30);
  assert.equal(list.indexOf("j590"), -1);
  assert.equal(list.total, 599);
  server.rows = [];
  await list.refresh(0, 30);
  assert.equal(list.total, 0);
});

test("a listing that is asked for again changes all at once", async () => {
  const server = new Jobs(1000);
  const list = new JobList(server.page, () => {});
  for (const index of [199, 399, 599]) await list.ensure(index);
  server.add(7);
  const { page } = server;
  const seen = [];
  list.fetch = async (asked) => {
    const answer = await page(asked);
    seen.push([list.total, list.counts.total, list.indexOf("j999"), list.loaded]);
    return answer;
  };
  await list.refresh(300, 500);
  assert.ok(seen.length > 1);
  for (const state of seen) assert.deepEqual(state, [1000, 1000, 0, 600]);
  assert.deepEqual([list.total, list.counts.total, list.indexOf("j999")], [1007, 1007, 7]);
});

test("what happens to a job shows at once", async () => {
  const server = new Jobs(300);
  let changes = 0;
  const list = new JobList(server.page, () => { changes += 1; });
  await list.ensure(10);
  assert.equal(changes, 1);
  assert.ok(list.update({ id: "j299", state: "INACTIVE" }));
  assert.equal(list.at(0).state, "INACTIVE");
  assert.equal(list.at(0).n, 299);
  assert.deepEqual(list.counts, { total: 300, run: 299, inactive: 1, failed: 0 }, "and in the numbers");
  list.update({ id: "j299", result: "FAILED" });
  assert.equal(list.counts.failed, 1);
  assert.equal(list.update({ id: "j0", state: "INACTIVE" }), false, "it is not here yet");
});

/** A server with lines. */
class Lines {
  constructor(count) {
    this.count = count;
    this.asked = [];
    this.complete = false;
  }

  page = async (from, amount) => {
    this.asked.push([from, amount]);
    const lines = [];
    for (let n = from; n < Math.min(this.count, from + amount); n += 1) lines.push({ n: n + 1, text: `line ${n}` });
    return { first: from, total: this.count, lines, complete: this.complete };
  };
}

test("a log of a million lines: what is looked at is fetched, once, and memory stays small", async () => {
  const server = new Lines(1_000_000);
  const source = new LogSource(server.page, () => {});
  await source.poll();
  assert.equal(source.total, 1_000_000);
  await Promise.all([source.need(5000, 5002), source.need(5000, 5002), source.need(5001, 5003)]);
  assert.equal(source.lines(5001)[0].text, `line ${5001 * BLOCK}`);
  assert.equal(server.asked.filter(([from]) => from === 5000 * BLOCK).length, 1);
  for (let block = 0; block < 3000; block += 5) await source.need(block, block + 4);
  assert.ok(source.blocks.size <= 400);
  const before = server.asked.length;
  await source.need(2995, 2999);
  assert.equal(server.asked.length, before, "what was looked at last is still here");
});

test("looking for more brings only the end, each line once", async () => {
  const server = new Lines(75);
  const source = new LogSource(server.page, () => {});
  assert.equal(await source.poll(), true);
  server.count = 130;
  assert.equal(await source.poll(), true);
  assert.equal(await source.poll(), false);
  const all = [0, 1, 2].flatMap((block) => source.lines(block) ?? []);
  assert.deepEqual(all.map((line) => line.n), [...Array(130).keys()].map((n) => n + 1));
  server.complete = true;
  await source.poll();
  assert.equal(source.complete, true);
});

test("an old answer that comes late takes nothing away", () => {
  const source = new LogSource(async () => ({ first: 0, total: 0, lines: [], complete: false }), () => {});
  const lines = [...Array(40).keys()].map((n) => ({ n, text: "" }));
  source.take(0, { first: 0, total: 40, lines, complete: false });
  source.take(0, { first: 0, total: 10, lines: lines.slice(0, 10), complete: false });
  assert.equal(source.total, 40);
  assert.equal(source.lines(0).length, 40);
});

test("a few letters name what they fit best", () => {
  const best = (letters) => ["Jobs", "New job", "Queues", "Dark theme", "Jobs that wait"].map((title) => [score(title, letters), title]).filter(([rank]) => rank > 0).sort((a, b) => b[0] - a[0]).map(([, title]) => title);
  assert.deepEqual(best("jo"), ["Jobs", "Jobs that wait", "New job"]);
  assert.deepEqual(best("nj"), ["New job"]);
  assert.deepEqual(best("new job"), ["New job"]);
  assert.deepEqual(best("qs"), ["Queues"]);
  assert.deepEqual(best("zz"), []);
  assert.equal(best("").length, 5);
});

test("with Shift a range grows, shrinks and turns around where it began", () => {
  const ids = ["a", "b", "c", "d", "e"];
  const source = { total: 5, at: (/** @type {number} */ i) => (ids[i] ? { id: ids[i] } : undefined), indexOf: (/** @type {string} */ id) => ids.indexOf(id) };
  const selection = new Selection(/** @type {any} */ (source));
  const chosen = () => [...selection.ids].sort().join("");
  selection.pick(2, true, false);
  selection.extend(2, 4);
  assert.equal(chosen(), "cde");
  selection.extend(4, 3);
  assert.equal(chosen(), "cd");
  selection.extend(3, 0);
  assert.equal(chosen(), "abc");
  ids.unshift("new");
  selection.source.total = 6;
  selection.pick(5, true, true);
  assert.equal(chosen(), "abcde", "a row that has come above moves the beginning along");
  selection.pick(5, false, false);
  selection.extend(1, 2);
  assert.equal(chosen(), "abcd", "from the row itself when the beginning is not selected any more");
  selection.all(true);
  assert.equal(selection.ids.size, 6);
  selection.all(false);
  selection.extend(1, 1);
  assert.equal(chosen(), "a");
});
