// SPDX-License-Identifier: LGPL-3.0-or-later
import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, parseDuration, plural, sentence, size } from "../../../src/rosin/rest/static/js/model/format.js";
import { numbers } from "../../../src/rosin/rest/static/js/model/idset.js";
import { EMPTY, commandOf, faults, formOf, needsShell, quote, requestOf, wordsOf } from "../../../src/rosin/rest/static/js/model/jobform.js";
import { ending, runtime, status } from "../../../src/rosin/rest/static/js/model/status.js";
import { readState, writeState } from "../../../src/rosin/rest/static/js/model/urlstate.js";
import { problem } from "../../../src/rosin/rest/static/js/net/http.js";

const form = (fields) => ({ ...EMPTY, command: "hostname", ...fields });

test("a form without faults becomes a request with what was given, and nothing else", () => {
  assert.deepEqual(requestOf(form({})), { command: "hostname" });
  assert.deepEqual(
    requestOf(form({ command: " echo $A | wc ", shell: "1", ntasks: "2", nnodes: "1", exclusive: "1", duration: "5m", urgency: "0", environment: "A=b=c\n B=", options: "pty\nverbose=1\nx.y={\"z\":2}", dependencies: "afterok:f1, singleton:" })),
    { command: "echo $A | wc", shell: true, ntasks: 2, nnodes: 1, exclusive: true, duration: "5m", urgency: 0, environment: { A: "b=c", B: "" }, options: { pty: 1, verbose: 1, "x.y": { z: 2 } }, dependencies: ["afterok:f1", "singleton:"] },
  );
  assert.deepEqual(requestOf(form({ kind: "script", script: "#!/bin/sh\ntrue" })), { script: "#!/bin/sh\ntrue\n" });
  assert.equal(requestOf(form({ duration: "90" })).duration, 90);
});

test("each fault is named at its field", () => {
  const wrong = { command: " ", ntasks: "0", nnodes: "x", cores_per_task: "1.5", gpus_per_task: "-1", duration: "soon", urgency: "32", environment: "A", options: "-opty" };
  assert.deepEqual(Object.keys(faults(form(wrong))).sort(), Object.keys(wrong).sort());
  assert.ok(faults(form({ exclusive: "1" })).nnodes);
  assert.deepEqual(faults(form({ gpus_per_task: "0", urgency: "31", duration: "1.5h" })), {});
  assert.ok(faults({ ...EMPTY, kind: "script" }).script);
});

test("a shell is needed for what only a shell understands", () => {
  for (const text of ["a | b", "echo $HOME", "for i in 1 2; do x; done", "ls *.c", "a > b", "a && b", "echo $(date)"]) assert.ok(needsShell(text), text);
  for (const text of ["hostname", "echo 'a | b'", "python train.py --lr 0.1", "a=b cmd"]) assert.ok(!needsShell(text), text);
});

test("a sentence begins as sentences do, but the id of a job stays what it is", () => {
  assert.equal(sentence("it is held"), "It is held");
  for (const text of ["\u0192Lm1RqZ is first", "fLm1RqZ is first", "3 jobs are ahead"]) assert.equal(sentence(text), text);
});

test("words are quoted as a shell reads them back", () => {
  assert.equal(quote("a-b=c/d:e,f.g@h"), "a-b=c/d:e,f.g@h");
  assert.equal(quote("it's"), "'it'\\''s'");
  assert.equal(quote(""), "''");
});

/** A value for each member of a request. */
const EVERY = {
  command: "a | b", shell: true, name: "mine", ntasks: 6, nnodes: 2, cores_per_task: 4, gpus_per_task: 1, exclusive: true, duration: 90, queue: "debug", bank: "b",
  urgency: 20, begin_time: 1900000000.25, dependencies: ["afterok:f1", "singleton:"], requires: "gpu and not host:n[0-3]", cwd: "/work", stdin: " two\nlines\n",
  environment: { A: "1", EMPTY: "", LINES: "a\nb", SPACES: " x ", QUOTED: '"q"', EQUALS: "a=b" }, stdin_path: "in", stdout_path: "out-{{id}}", stderr_path: "err",
  label_io: true, pty: true, options: { verbose: 2, flag: 1, "x.y": { z: [1] }, text: "5", word: "per-task", none: "", off: false }, attributes: { "system.project": "p", "user.n": 3 },
};

test("a form is filled with every member of a request, and makes the same request again", () => {
  assert.deepEqual(requestOf(formOf(EVERY)), EVERY);
  for (const [name, value] of Object.entries(EVERY)) {
    const one = name === "command" || name === "shell" ? { command: "true" } : { command: "true", [name]: value };
    assert.deepEqual(requestOf(formOf(one)), one, name);
  }
  const script = { script: "#!/bin/sh\ntrue\n", args: ["a", "b c", "it's", ""], ntasks: 2 };
  assert.deepEqual(requestOf(formOf(script)), script);
  const spec = { jobspec: { version: 1, tasks: [] }, urgency: 3 };
  assert.deepEqual(requestOf(formOf(spec)), spec);
  assert.deepEqual(faults(formOf(EVERY)), {});
  assert.equal(formOf({ command: ["echo", "a b"] }).command, "echo 'a b'");
  assert.equal(formOf({ command: ["echo", "a;b"] }).shell, "0", "no shell where there was none");
});

test("words of a line are those of a shell", () => {
  assert.deepEqual(wordsOf(`a 'b c' "d \\"e" f\\ g ''`), ["a", "b c", 'd "e', "f g", ""]);
});

test("what a job runs is shown as it was typed", () => {
  assert.deepEqual(commandOf({ command: ["/bin/sh", "-c", "a | b"] }), { text: "a | b", shell: true });
  assert.deepEqual(commandOf({ command: ["echo", "a b"] }), { text: "echo 'a b'", shell: false });
  assert.deepEqual(commandOf({ script: "#!/bin/sh", command: ["flux", "broker"] }), { text: "#!/bin/sh", shell: false });
});

test("times, sizes and numbers in words", () => {
  assert.equal(duration(0.042), "0.04s");
  assert.equal(duration(3), "3s");
  assert.equal(duration(184), "3m 04s");
  assert.equal(duration(3 * 86400 + 4 * 3600), "3d 04h");
  assert.equal(duration(null), "");
  assert.equal(size(999), "999 B");
  assert.equal(size(1234567), "1.2 MB");
  assert.equal(plural(1, "job"), "1 job");
  assert.equal(plural(1234, "job"), "1,234 jobs");
  assert.equal(parseDuration("1.5h"), 5400);
  assert.equal(parseDuration("90"), 90);
  assert.equal(parseDuration("1w"), null);
});

test("how a job ended, in words", () => {
  const over = (fields) => ending({ state: "INACTIVE", result: "FAILED", ...fields });
  assert.equal(over({ returncode: 139 }), "139: segmentation fault");
  assert.match(over({ returncode: 137 }), /^137: killed/);
  assert.match(over({ returncode: 127 }), /not found/);
  assert.match(over({ returncode: -15 }), /SIGTERM/);
  assert.equal(over({ returncode: 3 }), "3");
  assert.equal(over({ returncode: -128, result: "CANCELED" }), "canceled before it ran");
  assert.equal(ending({ state: "RUN", returncode: null }), "");
});

test("states in words; a held job is held", () => {
  assert.deepEqual(status({ status: "SCHED", urgency: 16 }), { kind: "wait", word: "Waiting" });
  assert.deepEqual(status({ status: "PRIORITY", urgency: 0 }), { kind: "wait", word: "Held" });
  assert.deepEqual(status({ status: "NEVER-SEEN", urgency: 0 }), { kind: "off", word: "NEVER-SEEN" });
  assert.equal(runtime({ t_run: 10, t_cleanup: null }, 12_500), 2.5);
  assert.equal(runtime({ t_run: null }, 1), null);
});

test("the state of a view is what its address says", () => {
  const defaults = { state: "", sort: "-id" };
  assert.deepEqual(readState("?state=failed&other=1", defaults), { state: "failed", sort: "-id" });
  assert.equal(writeState({ state: "a b&c", sort: "-id" }, defaults), "?state=a+b%26c");
  assert.equal(writeState(defaults, defaults), "");
  assert.deepEqual(readState(writeState({ state: "ƒ1", sort: "name" }, defaults), defaults), { state: "ƒ1", sort: "name" });
});

test("an error says what is wrong with which field", () => {
  const error = problem(422, { detail: "nnodes: too many", errors: [{ field: "nnodes", detail: "too many" }, { loc: ["body", "name"], msg: "too long" }, 7] });
  assert.equal(error.message, "nnodes: too many");
  assert.deepEqual(error.fields, [{ field: "nnodes", problem: "too many" }, { field: "name", problem: "too long" }]);
  assert.equal(problem(500, null).message, "The server answered 500.");
  assert.ok(problem(503, null).away && !problem(409, null).away);
});

test("sets of numbers", () => {
  assert.deepEqual(numbers("0-2,7"), [0, 1, 2, 7]);
  assert.deepEqual(numbers("[3]"), [3]);
  assert.deepEqual(numbers(""), []);
  assert.ok(numbers("0-4000000000").length <= 65536);
});
