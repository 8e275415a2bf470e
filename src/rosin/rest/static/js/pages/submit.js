// SPDX-License-Identifier: LGPL-3.0-or-later
/** The form for a new job: checked while it is filled in, sent once however often it is sent. */

import * as api from "../net/api.js";
import { EMPTY, faults, formOf, needsShell, quote, requestOf } from "../model/jobform.js";
import { plural, sentence } from "../model/format.js";
import { go } from "../router.js";
import { fill, h, icon, setText } from "../view/dom.js";
import { action, copyButton, toast } from "../view/parts.js";
import { FIELDS } from "./submitfields.js";

/** @typedef {import("../model/jobform.js").Form} Form */

const DEFAULTS = { ...EMPTY, from: "" };

/** @param {HTMLElement} main @param {import("../router.js").Context} context */
export async function open(main, context) {
  context.title("New job");
  const { from, ...rest } = context.state(DEFAULTS);
  /** @type {Form} */
  const given = rest;
  /** @type {Form} */
  let form = { ...given };
  let exact = true;
  if (from && !given.command && !given.script && !given.jobspec) {
    try {
      const asked = await api.getAsked(from);
      exact = asked.exact;
      form = { ...formOf(asked.request), ...Object.fromEntries(Object.entries(given).filter(([name, text]) => text !== EMPTY[name])) };
    } catch (error) {
      toast(`${from} could not be read: ${/** @type {Error} */ (error).message}`, { bad: true });
    }
  }
  let key = crypto.randomUUID?.() ?? String(Math.random());
  let sending = false;
  let shellTouched = form.shell !== "";
  if (!shellTouched && needsShell(form.command)) form.shell = "1";
  /** @type {Record<string, string>} */
  let refused = {};
  const touched = new Set();

  // -- fields ------------------------------------------------------------------------------------------------
  /** @type {Map<string, {input: HTMLInputElement, row: HTMLElement, fault: HTMLElement}>} */
  const fields = new Map();

  /** @param {string} name */
  function field(name) {
    const about = FIELDS[name];
    const id = `f-${name}`;
    const properties = { id, name, class: about.mono ? "mono" : "", placeholder: about.placeholder ?? "", spellcheck: false, autocapitalize: "off", autocomplete: "off", "aria-describedby": `${id}-fault`, ...about.properties };
    const input = /** @type {HTMLInputElement} */ (about.box ? h("input", { type: "checkbox", id, name, checked: form[name] === "1" })
      : about.lines ? h("textarea", { ...properties, rows: about.lines }) : h("input", { ...properties, type: about.type ?? "text" }));
    if (!about.box) input.value = form[name];
    const fault = h("span", { class: "fault", id: `${id}-fault`, role: "alert", hidden: true });
    const row = about.box
      ? h("div", { class: "field" }, h("label", { class: "check", htmlFor: id }, input, about.title), fault)
      : h("div", { class: "field" }, h("label", { htmlFor: id }, about.title), input, about.hint && h("span", { class: "hint" }, about.hint), fault);
    input.addEventListener("input", () => {
      form[name] = about.box ? (input.checked ? "1" : name === "shell" ? "0" : "") : input.value;
      delete refused[name];
      if (name === "shell") shellTouched = true;
      if (name === "command" && !shellTouched) setBox("shell", needsShell(form.command));
      changed();
    });
    input.addEventListener("blur", () => { touched.add(name); show(); });
    fields.set(name, { input, row, fault });
    return row;
  }

  /** @param {string} name @param {boolean} on */
  function setBox(name, on) {
    form[name] = on ? "1" : "";
    const found = fields.get(name);
    if (found) found.input.checked = on;
  }

  /** @param {string} title @param {string[]} names @param {boolean} [open] */
  const group = (title, names, open = false) => h("details", { open: open || names.some((name) => form[name]) }, h("summary", {}, title), h("div", { class: "stack" }, names.map(field)));

  const commandRow = field("command");
  const shellRow = field("shell");
  const scriptRow = h("div", { class: "stack" }, field("script"), field("args"));
  const jobspecRow = field("jobspec");
  const kinds = h("div", { class: "tabs", role: "group", "aria-label": "What to run" }, [["command", "Command"], ["script", "Script"], ["jobspec", "Jobspec"]].map(([kind, title]) =>
    h("button", { type: "button", data: { kind }, on: { click: () => { form.kind = kind; changed(); } } }, title)));
  const submit = action({ class: "primary", type: "submit" }, "Submit job");
  const outcome = h("div", { role: "status" });
  const preview = h("pre", { class: "code soft", "aria-label": "The same in a terminal", tabIndex: 0 }, "rosin submit …");
  const copyBox = h("div", { class: "copy" }, preview);
  const spec = h("pre", { class: "code", tabIndex: 0 });
  const specBox = h("details", { hidden: true }, h("summary", {}, "Jobspec"), spec);
  const verdict = h("div", { role: "status" });

  /** What a jobspec says itself. */
  const described = h("div", { class: "stack" },
    h("div", { class: "fields" }, ["ntasks", "nnodes", "cores_per_task", "gpus_per_task"].map(field)), field("exclusive"),
    h("div", { class: "fields" }, ["duration", "name", "queue"].map(field)),
    group("Directory, environment, files", ["cwd", "environment", "stdin", "stdin_path", "stdout_path", "stderr_path", "label_io"]),
    group("When and where", ["urgency", "begin_time", "dependencies", "requires", "bank"]),
    group("Many, terminal, shell options", ["cc", "pty", "options", "attributes"]));
  const node = h("form", { class: "form", noValidate: true, on: { submit: send } },
    h("section", { class: "card" }, h("div", { class: "body stack" }, kinds, commandRow, shellRow, scriptRow, jobspecRow, described,
      h("div", { class: "row" }, submit, h("a", { class: "button quiet", href: "/jobs" }, "Back to the jobs"), h("span", { class: "grow" }), h("kbd", {}, "Ctrl"), h("kbd", {}, "Enter")), outcome)),
    h("aside", { class: "aside stack", "aria-label": "What will be submitted" },
      h("section", { class: "card" }, h("header", {}, h("h2", { class: "grow" }, "In a terminal")), h("div", { class: "body stack" }, copyBox, verdict, specBox))));
  fill(main, h("div", { class: "head" }, h("h1", {}, from ? "Run again" : "New job"), from && h("span", { class: "soft" }, "as ", h("a", { class: "mono", href: `/jobs/${from}` }, from))),
    !exact && h("p", { class: "note wait" }, icon("warning"), h("span", {}, "This form cannot say all that this job asked for: look through it before you submit it.")), node);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) node.requestSubmit();
  });

  // -- what it is --------------------------------------------------------------------------------------------
  function show(all = false) {
    const { kind } = form;
    for (const button of kinds.children) button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.kind === form.kind));
    commandRow.hidden = shellRow.hidden = kind !== "command";
    scriptRow.hidden = kind !== "script";
    jobspecRow.hidden = !(described.hidden = kind === "jobspec");
    const wrong = { ...faults(form), ...refused };
    for (const [name, { input, fault }] of fields) {
      const text = all || touched.has(name) || name in refused ? (wrong[name] ?? "") : "";
      input.setAttribute("aria-invalid", String(Boolean(text)));
      fault.hidden = !text;
      setText(fault, sentence(text));
      const details = fault.closest("details");
      if (text && details) details.open = true;
    }
    return Object.keys(wrong);
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let abort = new AbortController();
  function changed() {
    context.save({ ...form, from }, DEFAULTS);
    key = crypto.randomUUID?.() ?? String(Math.random()); // another job than before
    fill(outcome);
    show();
    clearTimeout(timer);
    timer = setTimeout(check, 300);
  }

  async function check() {
    abort.abort();
    abort = new AbortController();
    const wrong = Object.keys(faults(form));
    preview.classList.toggle("soft", wrong.length > 0);
    specBox.hidden = wrong.length > 0;
    if (wrong.length) { fill(verdict); return; }
    try {
      const answer = await api.check(requestOf(form), abort.signal);
      refused = {};
      const repeat = form.cc.trim() ? ` --cc=${quote(form.cc.trim())}` : "";
      const line = answer.command_line.replace(/\brosin submit\b/, `rosin submit${repeat}`);
      setText(preview, line);
      copyBox.querySelector("button")?.remove();
      copyBox.append(copyButton(line, "Copy the command"));
      setText(spec, JSON.stringify(answer.jobspec, null, 2));
      specBox.hidden = !answer.jobspec;
      if (answer.ok) fill(verdict, h("div", { class: "note good" }, icon("check"), h("div", {}, "This can run here.", answer.warnings.map((/** @type {string} */ text) => h("p", { class: "soft tiny" }, `${sentence(text)}.`)))));
      else take(answer.errors.map((/** @type {any} */ one) => ({ field: one.field, problem: one.detail })), answer.errors[0]?.detail ?? "This can never run here.");
    } catch (error) {
      const { name, status, fields: about = [], message } = /** @type {any} */ (error);
      if (name === "AbortError" || context.signal.aborted) return;
      refused = {};
      if (status === 422 || status === 400) take(about, message);
      else fill(verdict);
    }
    show();
  }

  /** The field of the form that shows a member of the request. @param {string} member */
  const rowOf = (member) => member.replace(/^template\./, "").split(".")[0];

  /** @param {import("../net/http.js").FieldFault[]} about @param {string} message */
  function take(about, message) {
    for (const one of about) if (fields.has(rowOf(one.field))) refused[rowOf(one.field)] = one.problem;
    const known = about.some((one) => fields.has(rowOf(one.field)));
    fill(verdict, known ? false : h("div", { class: "note bad" }, icon("warning"), h("span", {}, message)));
  }

  /** @param {Event} event */
  async function send(event) {
    event.preventDefault();
    const wrong = show(true);
    if (wrong.length) {
      fields.get(wrong[0])?.input.focus();
      return;
    }
    if (sending) return; // once, however often it is pressed; the key does the same for what comes twice
    sending = true;
    submit.setAttribute("aria-disabled", "true");
    setText(submit, "Submitting");
    try {
      if (form.cc.trim()) {
        const { cc } = form;
        const answer = await api.submitMany({ template: requestOf(form), cc }, key);
        const failed = answer.items.filter((/** @type {any} */ item) => !item.id);
        toast(`${plural(answer.items.length - failed.length, "job")} submitted.`, { link: ["/jobs", "Show"] });
        if (failed.length) toast(`${plural(failed.length, "job")} refused: ${failed[0].problem?.detail ?? ""}`, { bad: true });
        go("/jobs");
      } else {
        const { id } = await api.submit(requestOf(form), key);
        toast(`${id} submitted.`);
        go(`/jobs/${id}`);
      }
    } catch (error) {
      const { fields: about = [], message } = /** @type {any} */ (error);
      take(about, message);
      fill(outcome, h("div", { class: "note bad", role: "alert" }, icon("warning"), h("span", {}, message)));
      const first = show(true)[0];
      fields.get(first)?.input.focus();
    } finally {
      sending = false;
      submit.removeAttribute("aria-disabled");
      setText(submit, "Submit job");
    }
  }

  show();
  check();
  if (!from && matchMedia("(min-width: 44rem)").matches) fields.get(form.kind)?.input.focus();
  return () => { clearTimeout(timer); abort.abort(); };
}
