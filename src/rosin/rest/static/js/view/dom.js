// SPDX-License-Identifier: LGPL-3.0-or-later
/** Elements. Text is always a text node: nothing that comes from a job can become markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element: properties, `class`, `data`, `on` (listeners) and attributes, then children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name in node && !name.startsWith("aria") && name !== "list" && name !== "form") /** @type {any} */ (node)[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

/** @param {Node} node @param {(Child | Child[])[]} children */
function add(node, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace what is in a node. @param {Element} node @param {...(Child | Child[])} children */
export function fill(node, ...children) {
  const fragment = document.createDocumentFragment();
  add(fragment, children);
  node.replaceChildren(fragment);
}

/** Set a text only if it differs, so that nothing is laid out for nothing. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** An element that has to be there. @param {string} id */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a ground of 16 by 16. */
const ICONS = {
  overview: "M2 9l3-3 3 3 6-6M10 3h4v4M2 14h12",
  jobs: "M2 4h1M6 4h8M2 8h1M6 8h8M2 12h1M6 12h8",
  plus: "M8 3v10M3 8h10",
  resources: "M2.5 2.5h4v4h-4zM9.5 2.5h4v4h-4zM2.5 9.5h4v4h-4zM9.5 9.5h4v4h-4z",
  queues: "M2 4h12M4 8h8M6 12h4",
  events: "M1.5 8h3l2-5 3 10 2-5h3",
  tokens: "M10 9a3.5 3.5 0 1 0-3-1.7L2 12.3V14h2v-1.5h1.5V11H7l1.3-1.7",
  webhooks: "M8 5.2a2.1 2.1 0 1 0-2.1-2.1M5.9 3.1l-1.8 6M3.6 13.1a2.1 2.1 0 1 0 0-4.2M5.7 11h4.6M12.4 8.9a2.1 2.1 0 1 0 0 4.2M12.4 8.9L9.3 4.6",
  about: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5h.01",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6L14 14",
  check: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.5 8.2l1.7 1.7 3.3-3.6",
  cross: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6 6l4 4M10 6l-4 4",
  slash: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5 8h6",
  close: "M4 4l8 8M12 4l-8 8",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.9 3v10",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  previous: "M4 10l4-4 4 4",
  next: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  download: "M8 2v8M4.5 6.5L8 10l3.5-3.5M2.5 13.5h11",
  wrap: "M2 4h12M2 8h9.5a2 2 0 0 1 0 4H8M9.5 10.5L8 12l1.5 1.5M2 12h3",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  warning: "M8 2.2L14.5 13.5h-13zM8 6.5v3M8 11.5h.01",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  stop: "M4 4h8v8H4z",
  again: "M13.5 8A5.5 5.5 0 1 1 11.6 3.8M13.5 2v3.2h-3.2",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.5l7 4.5-7 4.5z",
  signal: "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z",
  file: "M9 2H4v12h8V5zM9 2v3h3",
  folder: "M2 4h4l1.5 1.5H14V13H2z",
  terminal: "M3 5l3 3-3 3M8 11.5h5",
  filter: "M2 3.5h12L9.5 9v4l-3-1.5V9z",
  menu: "M2 4h12M2 8h12M2 12h12",
};

/** @param {string} d @param {string} [className] */
function path(d, className) {
  const node = document.createElementNS(SVG, "path");
  node.setAttribute("d", d);
  if (className) node.setAttribute("class", className);
  return node;
}

/** @param {...Node} children */
function drawing(...children) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("viewBox", "0 0 16 16");
  node.setAttribute("class", "icon");
  node.setAttribute("aria-hidden", "true");
  node.append(...children);
  return node;
}

/** An icon; it says nothing to a screen reader. @param {keyof typeof ICONS} name */
export const icon = (name) => drawing(path(ICONS[name]));

/** The icon of a kind of status, which differs by form and not only by colour. @param {string} kind */
export function stateIcon(kind) {
  if (kind === "good") return icon("check");
  if (kind === "bad") return icon("cross");
  if (kind === "off") return icon("slash");
  const ring = document.createElementNS(SVG, "circle");
  for (const [name, value] of Object.entries({ cx: 8, cy: 8, r: 6 })) ring.setAttribute(name, String(value));
  if (kind === "run") {
    ring.setAttribute("stroke-opacity", ".3");
    return drawing(ring, path("M8 2a6 6 0 0 1 6 6", "spin"));
  }
  ring.setAttribute("stroke-dasharray", "2.6 2.1");
  return drawing(ring);
}

/** An element of SVG. @param {string} tag @param {Record<string, string | number>} attributes @param {...Node} children */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}
