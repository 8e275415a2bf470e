// SPDX-License-Identifier: LGPL-3.0-or-later
/** The form of a new job: its fields, what is wrong with them, and the request that they make. */

import { parseDuration } from "./format.js";

/** @typedef {Record<string, string>} Form text of each field; boxes are "1" or empty, a shell that is not wanted "0" */

/** @type {Form} */
export const EMPTY = {
  command: "", shell: "", script: "", kind: "command", name: "", ntasks: "", nnodes: "", cores_per_task: "", gpus_per_task: "", exclusive: "",
  duration: "", queue: "", bank: "", urgency: "", begin_time: "", dependencies: "", requires: "", cwd: "", environment: "", stdin: "",
  stdout_path: "", stderr_path: "", label_io: "", pty: "", cc: "", options: "",
};

const NUMBERS = ["ntasks", "nnodes", "cores_per_task", "gpus_per_task"];
const TEXTS = ["name", "queue", "bank", "requires", "cwd", "stdout_path", "stderr_path"];
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

/** NAME=VALUE lines. @param {string} text @returns {[string, string][]} */
const pairs = (text) => lines(text).map((line) => {
  const at = line.indexOf("=");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
});

/** The request of a form without faults. @param {Form} form @returns {Record<string, any>} */
export function requestOf(form) {
  /** @type {Record<string, any>} */
  const body = form.kind === "script" ? { script: form.script.endsWith("\n") ? form.script : `${form.script}\n` } : { command: form.command.trim() };
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
  if (environment.length) body.environment = Object.fromEntries(environment);
  if (form.stdin) body.stdin = form.stdin;
  const options = pairs(form.options);
  if (options.length) body.options = Object.fromEntries(options.map(([name, text]) => [name, text === "" ? 1 : value(text)]));
  return body;
}

/** A word as a shell reads it back. @param {string} word */
export const quote = (word) => (word !== "" && /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Variables that every job has; those of the form come on top. */
const BASE = ["HOME", "LOGNAME", "PATH", "SHELL", "USER"];

/** What a job runs, as somebody would type it: a script, a text for a shell, or words. @param {any} job @returns {{text: string, shell: boolean}} */
export function commandOf(job) {
  const words = Array.isArray(job.command) ? job.command : [];
  if (job.script) return { text: job.script, shell: false };
  if (words.length === 3 && words[0] === "/bin/sh" && words[1] === "-c") return { text: words[2], shell: true };
  return { text: words.map(quote).join(" "), shell: false };
}

/** The form of a job that was, to be changed. @param {any} job @returns {Form} */
export function formOf(job) {
  const form = { ...EMPTY };
  const words = Array.isArray(job.command) ? job.command : [];
  const { text, shell } = commandOf(job);
  if (job.script) [form.kind, form.script] = ["script", text];
  else [form.command, form.shell] = [text, shell ? "1" : "0"];
  const system = job.jobspec?.attributes?.system ?? {};
  if (job.name && job.name !== words[0]?.split("/").pop()) form.name = job.name;
  const shape = shapeOf(job.jobspec);
  for (const name of NUMBERS) form[name] = shape[name] && !(name.endsWith("tasks") && shape[name] === 1) && !(name === "cores_per_task" && shape[name] === 1) ? String(shape[name]) : "";
  if (shape.exclusive) form.exclusive = "1";
  if (job.duration) form.duration = String(job.duration);
  for (const name of ["queue", "bank"]) form[name] = job[name] ?? "";
  form.cwd = system.cwd ?? job.cwd ?? "";
  form.environment = Object.entries(job.environment ?? {}).filter(([name]) => !BASE.includes(name)).map(([name, text]) => `${name}=${text}`).join("\n");
  if (job.urgency !== 16 && job.urgency !== 0) form.urgency = String(job.urgency);
  return form;
}

/** Numbers of a version 1 jobspec's resources. @param {any} jobspec @returns {Record<string, any>} */
function shapeOf(jobspec) {
  /** @type {Record<string, any>} */
  const found = {};
  const walk = (/** @type {any[]} */ parts) => {
    for (const part of parts ?? []) {
      const amount = typeof part.count === "object" ? part.count?.min : part.count;
      if (part.type === "node") {
        found.nnodes = amount;
        if (part.exclusive) found.exclusive = true;
      } else if (part.type === "slot") found.slots = amount;
      else if (part.type === "core") found.cores_per_task = amount;
      else if (part.type === "gpu") found.gpus_per_task = amount;
      walk(part.with);
    }
  };
  walk(jobspec?.resources);
  const tasks = jobspec?.tasks?.[0]?.count ?? {};
  found.ntasks = tasks.total ?? (found.slots ?? 1) * (tasks.per_slot ?? 1) * (found.nnodes ?? 1);
  if (found.ntasks === found.nnodes) found.ntasks = undefined;
  return found;
}
