// SPDX-License-Identifier: LGPL-3.0-or-later
/**
 * A listing of any number of jobs, of which only what was looked at is here: pages by cursor, in order. What happens
 * to jobs changes rows in place at once; the pages in sight are asked for again soon after.
 */

/** @typedef {import("./types.js").Job} Job */
/** @typedef {import("./types.js").JobPage} JobPage */
/** @typedef {{cursor: string, rows: Job[]}} Page */
/** @typedef {{pages: Page[], next: string | null, answers: JobPage[]}} Draft what a listing will be */

export const PAGE = 200;
/** Jobs on a page that is fetched to get far down. */
export const LEAP = 5000;

export class JobList {
  /** @param {(parameters: {cursor: string, limit: number, counts: boolean}) => Promise<JobPage>} fetch @param {() => void} changed */
  constructor(fetch, changed) {
    this.fetch = fetch;
    this.changed = changed;
    /** @type {Page[]} */
    this.pages = [];
    /** @type {string | null} */
    this.next = "";
    this.total = 0;
    /** @type {Record<string, number>} */
    this.counts = {};
    this.loaded = 0;
    this.ready = false;
    /** @type {Map<string, Job>} */
    this.known = new Map();
    /** @type {Promise<void> | null} */
    this.work = null;
  }

  /** The job in a row, undefined while it is not here. @param {number} index */
  at(index) {
    for (const page of this.pages) {
      if (index < page.rows.length) return page.rows[index];
      index -= page.rows.length;
    }
    return undefined;
  }

  /** The row of a job, -1 if it is not here. @param {string} id */
  indexOf(id) {
    let before = 0;
    for (const page of this.pages) {
      const at = page.rows.findIndex((job) => job.id === id);
      if (at >= 0) return before + at;
      before += page.rows.length;
    }
    return -1;
  }

  /** Every job that is here. */
  *jobs() {
    for (const page of this.pages) yield* page.rows;
  }

  /** One thing after the other, so that pages stay in order. @template T @param {() => Promise<T>} task @returns {Promise<T>} */
  queue(task) {
    const before = this.work ?? Promise.resolve();
    const result = before.then(task, task);
    this.work = result.then(() => {}, () => {});
    return result;
  }

  /** Bring the rows up to *index*. @param {number} index */
  ensure(index) {
    if (this.next === null || index < this.loaded) return Promise.resolve();
    return this.queue(async () => {
      while (this.next !== null && this.loaded <= index) {
        const limit = index - this.loaded > 2 * PAGE ? LEAP : PAGE;
        const cursor = this.next;
        const answer = await this.fetch({ cursor, limit, counts: cursor === "" });
        if (this.next !== cursor) return; // begun anew meanwhile
        for (let from = 0; from < answer.items.length; from += PAGE) {
          const rows = answer.items.slice(from, from + PAGE);
          const last = this.pages[this.pages.length - 1];
          // Only the first part of a leap has a cursor of its own: the others belong to it.
          if (from && last) last.rows.push(...rows);
          else this.pages.push({ cursor, rows });
        }
        this.take(answer);
        this.next = answer.next;
        this.settle();
      }
    });
  }

  /** Ask again for the pages that hold the rows from *first* to *last*; they change all at once. @param {number} first @param {number} last */
  refresh(first, last) {
    return this.queue(async () => {
      /** @type {Draft} */
      const draft = { pages: [...this.pages], next: this.next, answers: [] };
      let before = 0;
      for (let i = 0; i < draft.pages.length; i += 1) {
        const count = draft.pages[i].rows.length;
        const seen = before <= last && before + count > first;
        before += count;
        if (i === 0 || (seen && count <= LEAP)) await this.renew(draft, i);
        if (before > last) break;
      }
      if (!draft.pages.length) await this.renew(draft, 0);
      for (const answer of draft.answers) this.take(answer);
      [this.pages, this.next] = [draft.pages, draft.next];
      this.settle();
    });
  }

  /** @param {Draft} draft @param {number} i */
  async renew(draft, i) {
    const old = draft.pages[i];
    const cursor = old?.cursor ?? "";
    const limit = Math.min(LEAP, Math.max(PAGE, (old?.rows.length ?? 0) + 50));
    const answer = await this.fetch({ cursor, limit, counts: true });
    draft.answers.push(answer);
    const after = draft.pages[i + 1];
    const later = new Set(after?.rows.map((job) => job.id));
    const cut = answer.items.findIndex((job) => later.has(job.id));
    draft.pages[i] = { cursor, rows: cut >= 0 ? answer.items.slice(0, cut) : answer.items };
    if (cut >= 0) return;
    draft.pages.length = i + 1; // what comes after it is not known any more
    draft.next = answer.next;
  }

  /** @param {JobPage} answer */
  take(answer) {
    if (this.known.size > 2 * this.loaded + LEAP) this.known = new Map([...this.jobs()].map((job) => [job.id, job]));
    for (const job of answer.items) this.known.set(job.id, job);
    this.total = answer.total;
    if (answer.counts) this.counts = answer.counts;
  }

  settle() {
    this.loaded = this.pages.reduce((sum, page) => sum + page.rows.length, 0);
    if (this.next === null) this.total = this.loaded;
    else this.total = Math.max(this.total, this.loaded);
    this.ready = true;
    this.changed();
  }

  /** The numbers go with the rows, and not only with the next answer. @param {Job} job @param {number} by */
  count(job, by) {
    for (const name of [job.state, job.result]) {
      const key = name?.toLowerCase() ?? "";
      if (key in this.counts) this.counts[key] = Math.max(0, this.counts[key] + by);
    }
  }

  /** Something happened to a job: its row shows that. Returns whether it is here. @param {Job} job */
  update(job) {
    const row = this.known.get(job.id);
    if (!row) return false;
    this.count(row, -1);
    Object.assign(row, job);
    this.count(row, 1);
    return true;
  }
}
