// SPDX-License-Identifier: LGPL-3.0-or-later
/** The SharedWorker: holds the one stream of all tabs, so that seven of them leave connections for the eighth. */

import { Hub } from "./hub.js";
import { EVENTS } from "./paths.js";

const hub = new Hub(EVENTS);

addEventListener("connect", (event) => {
  const port = /** @type {MessageEvent} */ (event).ports[0];
  /** @type {import("./hub.js").Listener} */
  const listener = (message) => port.postMessage(message);
  port.onmessage = ({ data }) => {
    if (data === "join") hub.join(listener);
    else if (data.watch) hub.watch(listener, data.watch);
    else if (data === "leave") hub.leave(listener);
    else if (data === "retry") hub.retry();
  };
  port.start();
});
