// SPDX-License-Identifier: LGPL-3.0-or-later
/** The form of a new job: its fields, what is wrong with them, and the request that they make. */

import { parseDuration } from "./format.js";

/** @typedef {Record<string, string>} Form text of each field; boxes are "1" or empty, a shell that is not wanted "0" */

/** @type {Form} */
export const EMPTY = {
  command: "", shell: "", script: "", kind: "command", name: "", ntasks: "", nnodes: "", cores_per_task: "", gpus_per_task: "", exclusive: "",
  duration: "", queue: "", bank: "", urgency: "", begin_time: "", dependencies: "", requires: "", cwd: "", environment: "", stdin: "",
  stdin_path: "", stdout_path: "", stderr_path: "", label_io: "", pty: "", cc: "", options: "", args: "", attributes: "", jobspec: "",
};

const NUMBERS = ["ntasks", "nnodes", "cores_per_task", "gpus_per_task"];
const TEXTS = ["name", "queue", "bank", "requires", "cwd", "stdin_path", "stdout_path", "stderr_path"];
const BOXES = ["exclusive", "label_io", "pty"];

/** What only a shell understands: pipes, loops, redirections, variables. */
const SHELLISH = /[|&;<>`*?~]|\$[\w({]|(?:^|\s)(?:for|while|if|case)\s|\n./;

/** Whether a command looks as if it needs a shell. @param {string} command */
export const needsShell = (command) => SHELLISH.test(command.replace(/'[^']*'/g, ""));

/** Faults that can be told without the server: field to sentence. @param {Form} form @returns {Record<string, string>} */
export function faults(form) {
  /** @type {Record<string, string>} */
  const found = {};
  if (form.kind === "command" && !form.command.trim()) found.command = "A command is needed.";
  if (form.kind === "script" && !form.script.trim()) found.script = "A script is needed.";
  if (form.kind === "jobspec") {
    const spec = value(form.jobspec.trim());
    if (typeof spec !== "object" || spec === null || Array.isArray(spec)) found.jobspec = "A jobspec (RFC 14) as JSON is needed.";
  }
  for (const name of NUMBERS) {
    const least = name === "gpus_per_task" ? 0 : 1;
    const text = form[name].trim();
    if (text && !(/^\d+$/.test(text) && Number(text) >= least && Number(text) <= 1 << 20)) found[name] = `A whole number from ${least}.`;
  }
  if (form.duration.trim() && parseDuration(form.duration) === null) found.duration = "Seconds, or a number with s, m, h or d: 90s, 5m, 1.5h.";
  if (form.urgency.trim() && !(/^\d+$/.test(form.urgency.trim()) && Number(form.urgency) <= 31)) found.urgency = "A number from 0 (held) to 31.";
  if (form.exclusive && !form.nnodes.trim()) found.nnodes = "Whole nodes need a number of nodes.";
  const wrong = lines(form.environment).find((line) => !/^[^=\s]+=/.test(line));
  if (wrong !== undefined) found.environment = `Each line is NAME=VALUE; "${wrong.slice(0, 40)}" is not.`;
  const option = lines(form.options).find((line) => /^\s*-o|^=/.test(line));
  if (option !== undefined) found.options = "Each line is NAME or NAME=VALUE, without -o.";
  const attribute = lines(form.attributes).find((line) => !/^[\w-]+\.[^=]+=/.test(line));
  if (attribute !== undefined) found.attributes = `Each line is a PATH=VALUE such as system.project=mine; "${attribute.slice(0, 40)}" is not.`;
  if (form.begin_time && Number.isNaN(Date.parse(form.begin_time))) found.begin_time = "A date and a time.";
  return found;
}

/** @param {string} text */
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** @param {string} text */
function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether a text is the rest of one line as it stands. @param {string} text */
const plainLine = (text) => text.trim() === text && !/[\r\n]/.test(text);

/** A value of the environment as a line has it: in quotes, as JSON, if it would not come back. @param {string} text */
const quotedLine = (text) => (plainLine(text) && !text.startsWith('"') ? text : JSON.stringify(text));

/** @param {string} text */
function unquotedLine(text) {
  const read = text.startsWith('"') ? value(text) : text;
  return typeof read === "string" ? read : text;
}

/** Words of a line, as a shell reads them. @param {string} text */
export const wordsOf = (text) => (text.match(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/gs) ?? []).map((word) =>
  word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs, (_, plain, quoted, one) => plain ?? quoted?.replace(/\\([\\"$`])/g, "$1") ?? one));

/** NAME=VALUE lines. @param {string} text @returns {[string, string][]} */
const pairs = (text) => lines(text).map((line) => {
  const at = line.indexOf("=");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
});

/** The request of a form without faults. @param {Form} form @returns {Record<string, any>} */
export function requestOf(form) {
  if (form.kind === "jobspec") return { jobspec: JSON.parse(form.jobspec), ...(form.urgency.trim() && { urgency: Number(form.urgency) }) };
  /** @type {Record<string, any>} */
  const body = form.kind === "script" ? { script: form.script.endsWith("\n") ? form.script : `${form.script}\n` } : { command: form.command.trim() };
  if (form.kind === "script" && form.args.trim()) body.args = wordsOf(form.args);
  if (form.kind === "command" && form.shell === "1") body.shell = true;
  for (const name of NUMBERS) if (form[name].trim()) body[name] = Number(form[name]);
  for (const name of TEXTS) if (form[name].trim()) body[name] = form[name].trim();
  for (const name of BOXES) if (form[name]) body[name] = true;
  if (form.duration.trim()) body.duration = /^[\d.]+$/.test(form.duration.trim()) ? Number(form.duration) : form.duration.trim();
  if (form.urgency.trim()) body.urgency = Number(form.urgency);
  if (form.begin_time) body.begin_time = Date.parse(form.begin_time) / 1000;
  const dependencies = form.dependencies.split(/[\s,]+/).filter(Boolean);
  if (dependencies.length) body.dependencies = dependencies;
  const environment = pairs(form.environment);
  if (environment.length) body.environment = Object.fromEntries(environment.map(([name, text]) => [name, unquotedLine(text)]));
  if (form.stdin) body.stdin = form.stdin;
  for (const name of ["options", "attributes"]) {
    const given = pairs(form[name]);
    if (given.length) body[name] = Object.fromEntries(given.map(([path, text]) => [path, text === "" ? 1 : value(text)]));
  }
  return body;
}

/** A word as a shell reads it back. @param {string} word */
export const quote = (word) => (word !== "" && /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A value as a field of options holds it: what would be read as JSON stays in quotes. @param {any} one */
const shown = (one) => (typeof one === "string" && one !== "" && value(one) === one && plainLine(one) ? one : JSON.stringify(one));

/** @param {Record<string, any>} [members] */
const settings = (members = {}) => Object.entries(members).map(([name, one]) => (one === 1 ? name : `${name}=${shown(one)}`)).join("\n");

/** What a job runs, as somebody would type it: a script, a text for a shell, or words. @param {any} job @returns {{text: string, shell: boolean}} */
export function commandOf(job) {
  const words = Array.isArray(job.command) ? job.command : [];
  if (job.script) return { text: job.script, shell: false };
  if (words.length === 3 && words[0] === "/bin/sh" && words[1] === "-c") return { text: words[2], shell: true };
  return { text: words.map(quote).join(" "), shell: false };
}

/** A UNIX time as a field for dates has it, in the reader's zone. @param {number} seconds */
export function localTime(seconds) {
  const date = new Date(Math.round(seconds * 1000));
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, -1).replace(/(:00)?\.000$/, "");
}

/** The form that makes a request: the way back from `requestOf`. @param {Record<string, any>} request @returns {Form} */
export function formOf(request) {
  const form = { ...EMPTY };
  const { command, script, jobspec, args, environment, options, attributes, dependencies } = request;
  if (jobspec !== undefined) [form.kind, form.jobspec] = ["jobspec", JSON.stringify(jobspec, null, 2)];
  else if (script !== undefined) [form.kind, form.script] = ["script", script];
  else if (typeof command === "string") form.command = command;
  else form.command = (command ?? []).map(quote).join(" ");
  if (form.kind === "command") form.shell = request.shell ? "1" : "0";
  if (args) form.args = args.map(quote).join(" ");
  for (const name of [...NUMBERS, ...TEXTS, "duration", "urgency", "stdin"]) if (request[name] !== undefined) form[name] = String(request[name]);
  for (const name of BOXES) if (request[name]) form[name] = "1";
  if (request.begin_time !== undefined) form.begin_time = localTime(request.begin_time);
  if (dependencies) form.dependencies = dependencies.join(" ");
  if (environment) form.environment = Object.entries(environment).map(([name, text]) => `${name}=${quotedLine(text)}`).join("\n");
  form.options = settings(options);
  form.attributes = settings(attributes);
  return form;
}
