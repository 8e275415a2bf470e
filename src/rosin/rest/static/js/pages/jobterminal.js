// SPDX-License-Identifier: LGPL-3.0-or-later
/** The terminal of a job, in the page. */

import { keyText } from "../model/keys.js";
import { Screen } from "../model/screen.js";
import { jobPath } from "../net/paths.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { styled } from "../view/logline.js";

/** Milliseconds before a terminal whose shells are still starting is asked for again. */
const AGAIN = 500;

/** @param {any} job */
export function terminalPanel(job) {
  let closed = false;
  /** @type {WebSocket | null} */
  let socket = null;
  const encoder = new TextEncoder();
  const said = h("span", { role: "status" }, "Connecting");
  const view = h("div", { class: "terminal", tabIndex: 0, role: "application", "aria-label": "Terminal of the job. Ctrl Shift Escape leaves it." });
  const again = h("button", { type: "button", hidden: true, on: { click: () => open() } }, icon("again"), "Connect again");
  const node = h("section", { class: "card logcard", "aria-label": "Terminal" }, view, h("div", { class: "logend" }, said, h("span", { class: "grow" }), again));
  const screen = new Screen(80, 24, (text) => send(text));
  let decoder = new TextDecoder();

  /** @param {string} text */
  function send(text) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(encoder.encode(text));
  }

  /** Columns and rows that there is room for. */
  function room() {
    const probe = h("span", {}, "0".repeat(50));
    view.append(probe);
    const { width, height } = probe.getBoundingClientRect();
    probe.remove();
    const style = getComputedStyle(view);
    const [w, t] = [parseFloat(style.paddingLeft) * 2, parseFloat(style.paddingTop) * 2];
    return { columns: Math.max(20, Math.min(500, Math.floor((view.clientWidth - w) / (width / 50 || 8)))), rows: Math.max(5, Math.min(200, Math.floor((view.clientHeight - t) / (height || 16)))) };
  }

  function open() {
    if (closed) return;
    again.hidden = true;
    const { columns, rows } = room();
    screen.resize(columns, rows);
    const url = new URL(jobPath(job.id, `/terminal?columns=${columns}&rows=${rows}`), location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    decoder = new TextDecoder();
    let ended = "";
    socket.onopen = () => setText(said, `Connected, ${columns} by ${rows}`);
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") ended = JSON.parse(data).exit?.message ?? "";
      else screen.write(decoder.decode(data, { stream: true }));
      draw();
    };
    socket.onclose = ({ reason }) => {
      if (closed) return;
      if (/still starting/.test(reason)) {
        setTimeout(open, AGAIN);
        return;
      }
      setText(said, ended || reason || "The connection was cut.");
      again.hidden = Boolean(ended);
    };
  }

  let frame = 0;
  function draw() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      const end = view.scrollHeight - view.scrollTop - view.clientHeight < 30;
      const rows = screen.other ? screen.cells : [...screen.above, ...screen.cells];
      const at = rows.length - screen.rows + screen.y;
      fill(view, rows.map((row, y) => rowView(row, screen.visible && y === at ? Math.min(screen.x, screen.columns - 1) : -1)));
      if (end) view.scrollTop = view.scrollHeight;
    });
  }

  /** @param {import("../model/screen.js").Cell[]} row @param {number} cursor */
  function rowView(row, cursor) {
    const line = h("div");
    for (let x = 0; x < row.length; ) {
      const { style } = row[x];
      let text = row[x].text;
      let next = x + 1;
      if (x !== cursor) while (next < row.length && next !== cursor && row[next].style === style) text += row[next++].text;
      line.append(x === cursor ? h("span", { class: "cursor" }, text) : styled(text, style));
      x = next;
    }
    return line;
  }

  view.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.ctrlKey && event.shiftKey) {
      view.blur();
      return;
    }
    const text = keyText(event, screen.applicationKeys);
    if (text === null) return;
    event.preventDefault();
    view.scrollTop = view.scrollHeight;
    send(text);
  });
  view.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text").replace(/\r?\n/g, "\r") ?? "";
    send(screen.bracketed ? `\x1b[200~${text}\x1b[201~` : text);
    event.preventDefault();
  });
  const observer = new ResizeObserver(() => {
    if (!view.clientWidth) return;
    const size = room();
    if (size.columns === screen.columns && size.rows === screen.rows) return;
    screen.resize(size.columns, size.rows);
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ resize: size }));
    draw();
  });
  setTimeout(() => {
    observer.observe(view);
    open();
    view.focus();
  });
  return {
    node,
    close() {
      closed = true;
      observer.disconnect();
      cancelAnimationFrame(frame);
      socket?.close();
    },
  };
}
