// SPDX-License-Identifier: LGPL-3.0-or-later
/** The form: sent as JSON, answered in place, shown as a command line while it is filled in. */

import { post, showLink } from "./connection.js";
import { element } from "./format.js";

const form = document.getElementById("submit");
const outcome = document.getElementById("outcome");
const preview = document.getElementById("preview");
const NUMBERS = ["num_tasks", "num_nodes", "cores_per_task", "gpus_per_task"];
const OPTIONS = { num_tasks: "-n", num_nodes: "-N", cores_per_task: "-c", gpus_per_task: "-g", runtime: "-t " };
let shellChosen = false;

const value = (name) => form.elements[name].value.trim();
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
const BUILTIN = /^(cd|eval|exec|exit|export|for|if|set|source|trap|ulimit|umask|unset|until|wait|while|\w+=\S*)(\s|$)/;
/** Whether a text needs a shell: it has one of its operators or builtins, a variable or more than one line. */
const needsShell = (text) => BUILTIN.test(text) || /[|&;<>()$`\n*?~]/.test(text);

function environment() {
  const found = {};
  for (const line of value("environment").split("\n").map((text) => text.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    if (at < 1) throw new Error(`environment: expected NAME=VALUE, got '${line}'`);
    found[line.slice(0, at)] = line.slice(at + 1);
  }
  return found;
}

function fields() {
  const body = { command: value("command"), shell: form.elements.shell.checked };
  for (const name of NUMBERS) if (value(name)) body[name] = Number(value(name));
  for (const name of ["runtime", "name", "workdir"]) if (value(name)) body[name] = value(name);
  if (value("environment")) body.environment = environment();
  return body;
}

function showPreview() {
  const command = value("command");
  const words = ["rosin submit"];
  for (const [name, option] of Object.entries(OPTIONS)) if (value(name)) words.push(option + value(name));
  if (value("name")) words.push(`--job-name=${quoted(value("name"))}`);
  if (value("workdir")) words.push(`--cwd=${quoted(value("workdir"))}`);
  words.push(form.elements.shell.checked ? `sh -c ${quoted(command)}` : command);
  preview.textContent = words.join(" ");
  preview.hidden = !command;
}

function say(error, ...parts) {
  outcome.replaceChildren(...parts);
  outcome.classList.toggle("error", error);
  outcome.setAttribute("role", error ? "alert" : "status");
  outcome.hidden = false;
}

form.addEventListener("input", (event) => {
  if (event.target.name === "shell") shellChosen = true;
  if (!value("command")) shellChosen = false;
  if (!shellChosen) form.elements.shell.checked = needsShell(value("command"));
  showPreview();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const answer = await post("/jobs/submit", fields());
    say(false, "Submitted ", element("a", { href: `/jobs/${answer.id_str}`, textContent: answer.jobid }), ".");
    form.dispatchEvent(new CustomEvent("submitted", { bubbles: true, detail: answer }));
  } catch (error) {
    say(true, error.message);
    form.elements[error.message.split(":")[0]]?.focus?.();
  } finally {
    button.disabled = false;
  }
});

form.elements.command.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

if (!document.getElementById("jobs")) showLink("live", "live");
