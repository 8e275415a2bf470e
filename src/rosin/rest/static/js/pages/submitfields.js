// SPDX-License-Identifier: LGPL-3.0-or-later
/** The fields of the form for a new job. */

/** @typedef {{title: string, placeholder?: string, hint?: string, lines?: number, box?: boolean, mono?: boolean, type?: string, properties?: Record<string, any>}} Field */

const NUMBER = { inputMode: "numeric" };

/** @type {Record<string, Field>} */
export const FIELDS = {
  command: { title: "Command", lines: 3, placeholder: "hostname", properties: { required: true } },
  shell: { title: "Run in a shell: pipes, loops, $variables", box: true },
  script: { title: "Batch script", lines: 12, placeholder: "#!/bin/sh\n# flux: -n4 --job-name=mine\nflux run hostname", hint: "It runs in an instance of its own; its directives are read." },
  args: { title: "Arguments", mono: true, placeholder: "of the script" },
  jobspec: { title: "Jobspec", lines: 16, placeholder: "{\"version\": 1, …}", hint: "RFC 14, as JSON; it is submitted as it is." },
  ntasks: { title: "Tasks", placeholder: "1", properties: NUMBER },
  nnodes: { title: "Nodes", placeholder: "any", properties: NUMBER },
  cores_per_task: { title: "Cores per task", placeholder: "1", properties: NUMBER },
  gpus_per_task: { title: "GPUs per task", placeholder: "0", properties: NUMBER },
  exclusive: { title: "Whole nodes, shared with no other job", box: true },
  duration: { title: "Time limit", placeholder: "none, 90s, 5m, 2h" },
  name: { title: "Name", placeholder: "that of the command" },
  queue: { title: "Queue", placeholder: "the default one" },
  bank: { title: "Bank" },
  cwd: { title: "Working directory", mono: true, placeholder: "your home" },
  environment: { title: "Environment", lines: 3, placeholder: "NAME=VALUE", hint: "Added to HOME, LOGNAME, PATH, SHELL and USER." },
  stdin: { title: "Standard input", lines: 3, hint: "The text that its tasks read." },
  stdin_path: { title: "Read input from a file", mono: true },
  stdout_path: { title: "Write output to a file", mono: true, placeholder: "out-{{id}}.txt" },
  stderr_path: { title: "Write errors to a file", mono: true },
  label_io: { title: "Begin each line in those files with its task's rank", box: true },
  urgency: { title: "Urgency", placeholder: "16", hint: "0 holds the job, 31 puts it first.", properties: NUMBER },
  begin_time: { title: "Not before", type: "datetime-local" },
  dependencies: { title: "Dependencies", mono: true, placeholder: "afterok:ƒ2oLkTLb" },
  requires: { title: "Properties of nodes", mono: true, placeholder: "gpu and not host:n[0-3]" },
  cc: { title: "Repeat", mono: true, placeholder: "1-100", hint: "A job for each number; {cc} in the command stands for it." },
  pty: { title: "A terminal for its first task", box: true },
  options: { title: "Options of the job shell", lines: 2, placeholder: "verbose=1", hint: "One NAME=VALUE per line." },
  attributes: { title: "Attributes of the jobspec", lines: 2, placeholder: "system.project=mine", hint: "One PATH=VALUE per line." },
};
