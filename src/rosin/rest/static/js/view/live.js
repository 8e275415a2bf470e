// SPDX-License-Identifier: LGPL-3.0-or-later
/** A view that is fetched again when something happens, not more often than it can be shown. */

import { isLive, onEvent } from "../net/link.js";
import { fill } from "./dom.js";
import { failure, skeleton } from "./parts.js";

/**
 * @template T
 * @param {Element} node shows a skeleton, then what *draw* makes, or why it could not be had
 * @param {() => Promise<T>} load
 * @param {(data: T) => void} draw
 * @param {AbortSignal} signal the end
 * @param {{pause?: number, every?: number}} [options] milliseconds between two loads, and after which to look anyway
 */
export function live(node, load, draw, signal, { pause = 1000, every = 15_000 } = {}) {
  let busy = false;
  let again = false;
  let known = false;
  fill(node, skeleton(6));

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    do {
      again = false;
      try {
        const data = await load();
        if (signal.aborted) return;
        known = true;
        draw(data);
      } catch (error) {
        if (signal.aborted) return;
        if (!known) fill(node, failure(/** @type {Error} */ (error), refresh));
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    } while (again && !signal.aborted);
    busy = false;
  }

  const stop = onEvent(() => refresh());
  const timer = setInterval(() => { if (isLive() && document.visibilityState === "visible") refresh(); }, every);
  let was = true;
  const onLink = () => {
    if (isLive() && !was) refresh();
    was = isLive();
  };
  addEventListener("rosin:link", onLink);
  signal.addEventListener("abort", () => {
    stop();
    clearInterval(timer);
    removeEventListener("rosin:link", onLink);
  });
  refresh();
  return refresh;
}
