// SPDX-License-Identifier: LGPL-3.0-or-later
/** The files of a job's working directory: looked at, downloaded, uploaded. */

import * as api from "../net/api.js";
import { jobPath } from "../net/paths.js";
import { count, date, size } from "../model/format.js";
import { fill, h, icon } from "../view/dom.js";
import { action, ask, blank, failure, skeleton, toast } from "../view/parts.js";

const DEFAULTS = { dir: "" };
/** Bytes of a file that one request carries. */
const PART = 512 * 1024;

/** @param {string} path */
const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");

/** @param {any} job @param {import("../router.js").Context} context */
export function filesPanel(job, context) {
  let { dir } = context.state(DEFAULTS);
  let closed = false;
  const crumbs = h("nav", { class: "crumbs grow", "aria-label": "Directory" });
  const body = h("div", {});
  const chosen = h("input", { type: "file", multiple: true, hidden: true, "aria-label": "Files to upload", on: { change: () => upload([...(chosen.files ?? [])]) } });
  const node = h("section", { class: "card", "aria-label": "Files" },
    h("header", {}, crumbs, chosen, action({ class: "small", on: { click: () => chosen.click() } }, icon("up"), "Upload")), h("div", { class: "scroll" }, body));

  /** @param {string} path */
  function enter(path) {
    dir = path;
    context.save({ ...Object.fromEntries(new URLSearchParams(location.search)), dir }, DEFAULTS, true);
    load();
  }

  /** @param {string} title @param {string} path */
  const step = (title, path) => h("button", { type: "button", class: "plainlink", on: { click: () => enter(path) } }, title);

  async function load() {
    const asked = dir;
    fill(body, h("div", { class: "body" }, skeleton(4)));
    try {
      const found = await api.listFiles(job.id, dir);
      if (!closed && asked === dir) draw(found);
    } catch (error) {
      if (!closed) fill(body, failure(/** @type {Error} */ (error), load));
    }
  }

  /** @param {any} found */
  function draw(found) {
    const parts = dir.split("/").filter(Boolean);
    fill(crumbs, step(found.directory, ""), parts.flatMap((part, i) => [icon("right"), step(part, parts.slice(0, i + 1).join("/"))]));
    const items = [...found.items].sort((a, b) => Number(b.type === "directory") - Number(a.type === "directory") || a.name.localeCompare(b.name));
    if (!items.length) {
      fill(body, blank("Nothing is here", "What the job writes into its directory, and what you upload, is listed here."));
      return;
    }
    fill(body, h("table", { class: "plain" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), h("th", { scope: "col", class: "num" }, "Size"), h("th", { scope: "col", class: "num" }, "Changed"))),
      h("tbody", {}, items.map(row))), found.complete ? false : h("p", { class: "note" }, `Only ${count(items.length)} names are shown: the directory has more.`));
  }

  /** @param {any} item */
  function row(item) {
    const path = dir ? `${dir}/${item.name}` : item.name;
    const sign = icon(item.type === "directory" ? "folder" : "file");
    const name = item.type === "directory" ? step(item.name, path)
      : item.type === "file" ? h("a", { href: jobPath(job.id, `/files/${encoded(path)}`), download: item.name }, item.name) : item.name;
    return h("tr", {}, h("td", {}, h("span", { class: "row" }, sign, name)), h("td", { class: "num" }, item.type === "file" ? size(item.size) : ""), h("td", { class: "num", title: date(item.mtime) }, date(item.mtime)));
  }

  /** @param {File[]} files */
  async function upload(files) {
    for (const file of files) {
      const path = dir ? `${dir}/${file.name}` : file.name;
      try {
        const { items } = await api.listFiles(job.id, dir);
        if (items.some((/** @type {any} */ item) => item.name === file.name) && !(await ask({ title: `Replace ${file.name}?`, text: "There is a file of that name already.", yes: "Replace", no: "Keep" }))) continue;
        await api.writeFile(job.id, encoded(path), file.slice(0, PART));
        for (let at = PART; at < file.size; at += PART) await api.writeFile(job.id, encoded(path), file.slice(at, at + PART), at);
        toast(`${file.name} is uploaded.`);
      } catch (error) {
        toast(`${file.name}: ${/** @type {Error} */ (error).message}`, { bad: true });
      }
    }
    chosen.value = "";
    load();
  }

  load();
  return { node, close: () => { closed = true; } };
}
