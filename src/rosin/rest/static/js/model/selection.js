// SPDX-License-Identifier: LGPL-3.0-or-later
/** Which jobs of a list are selected, and the range that Shift makes longer and shorter. */

/** @typedef {import("../view/table.js").Source} Source */

export class Selection {
  /** @param {Source} source */
  constructor(source) {
    this.source = source;
    /** @type {Set<string>} */
    this.ids = new Set();
    /** @type {string | null} where a range begins */
    this.anchor = null;
    this.reach = 0; // the row that it goes to
  }

  /** Select or not, with *range* all from the row that was picked last. @param {number} index @param {boolean} on @param {boolean} range */
  pick(index, on, range) {
    const anchor = range && this.anchor !== null ? this.source.indexOf(this.anchor) : -1;
    this.set(anchor < 0 ? index : anchor, index, on);
    if (anchor < 0) this.anchor = this.source.at(index)?.id ?? null;
    this.reach = index;
  }

  /** The selection goes from where it began, or else from the row *from*, to another and no further. @param {number} from @param {number} to */
  extend(from, to) {
    let anchor = this.anchor === null ? -1 : this.source.indexOf(this.anchor);
    if (anchor < 0 || !this.ids.has(this.anchor ?? "")) {
      anchor = from;
      this.anchor = this.source.at(from)?.id ?? null;
    } else this.set(anchor, this.reach, false);
    this.set(anchor, to, true);
    this.reach = to;
  }

  /** All that are loaded, or none. @param {boolean} on */
  all(on) {
    this.ids.clear();
    this.anchor = null;
    if (on) for (let i = 0; i < this.source.total && this.source.at(i); i += 1) this.set(i, i, true);
  }

  /** @param {number} from @param {number} to @param {boolean} on */
  set(from, to, on) {
    for (let i = Math.min(from, to); i <= Math.max(from, to); i += 1) {
      const one = this.source.at(i);
      if (one && on) this.ids.add(one.id);
      else if (one) this.ids.delete(one.id);
    }
  }
}
