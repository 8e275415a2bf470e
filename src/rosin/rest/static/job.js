// SPDX-License-Identifier: LGPL-3.0-or-later
/** The page of one job: output as it comes, events, facts. */

import { Ansi } from "./ansi.js";
import { follow, post, request } from "./connection.js";
import { duration, element, isActive, runtime, status, when } from "./format.js";

const byId = (id) => document.getElementById(id);
const id = byId("job").dataset.id;
let job = null;

// -- output ---------------------------------------------------------------------------------------

/** Pieces of output that stay in the document; the download has everything. */
const KEPT = 20000;
const log = byId("log");
const styles = { stdout: new Ansi(), stderr: new Ansi() };
let waiting = [];
let dropped = false;

function append(node) {
  waiting.push(node);
  if (waiting.length === 1) requestAnimationFrame(flush);
}

function flush() {
  const nodes = waiting;
  waiting = [];
  log.append(...nodes.slice(-KEPT));
  while (log.childNodes.length > KEPT) {
    log.firstChild.remove();
    dropped = true;
  }
  if (dropped && !log.firstChild.classList.contains("cut")) {
    log.prepend(element("span", { className: "end cut", textContent: "… older output is in the download …\n" }));
  }
  if (byId("follow").checked) log.scrollTop = log.scrollHeight;
}

function piece(kind, ...children) {
  return element("span", { className: kind }, ...children);
}

function onOutput(event) {
  const style = styles[event.stream];
  if (style) append(piece(event.stream, ...style.nodes(event.data)));
  else append(piece("shell", event.data));
}

const stopOutput = follow(`/jobs/${id}/output/stream`, {
  output: onOutput,
  gap: (event) => append(piece("end", `… ${event.missed} pieces skipped: this page was too slow …\n`)),
  end(event, stop) {
    if (event.error) return append(piece("end", `${event.error}\n`));
    stop();
    if (!log.childNodes.length && !waiting.length) append(piece("end", "The job has written nothing.\n"));
    return null;
  },
});
addEventListener("pagehide", stopOutput, { once: true });

log.addEventListener("wheel", (event) => { if (event.deltaY < 0) byId("follow").checked = false; }, { passive: true });
log.addEventListener("keydown", (event) => {
  if (["ArrowUp", "PageUp", "Home"].includes(event.key)) byId("follow").checked = false;
  if (event.key === "End") byId("follow").checked = true;
});
byId("follow").addEventListener("change", flush);
for (const name of ["stdout", "stderr"]) {
  byId(`show-${name}`).addEventListener("change", (event) => log.classList.toggle(`hide-${name}`, !event.target.checked));
}

// -- facts ----------------------------------------------------------------------------------------

function showJob(now) {
  job = now;
  const { kind, word } = status(job);
  byId("job-state").className = `state ${kind}`;
  byId("job-state").textContent = word;
  byId("job-name").textContent = job.name || job.jobid;
  byId("cancel").hidden = !isActive(job);
  showFacts();
}

function showFacts() {
  const facts = {
    Result: job.result ? `${job.result.toLowerCase()}${job.returncode == null ? "" : ` (${job.returncode})`}` : "",
    Reason: job.exception,
    Runtime: duration(runtime(job)),
    "Time limit": job.duration ? duration(job.duration) : "none",
    Submitted: when(job.t_submit),
    User: job.user,
    Tasks: job.ntasks,
    Cores: job.ncores,
    Nodes: job.nodelist || job.nnodes,
    Queue: job.queue,
    Urgency: job.urgency,
    Id: job.id_str,
  };
  const list = byId("facts");
  for (const [name, value] of Object.entries(facts)) {
    let entry = list.querySelector(`dd[data-name="${name}"]`);
    if (!entry) {
      entry = element("dd");
      entry.dataset.name = name;
      list.append(element("dt", { textContent: name }), entry);
    }
    const text = value == null ? "" : String(value);
    if (entry.textContent !== text) entry.textContent = text;
    entry.hidden = entry.previousElementSibling.hidden = !text;
  }
}

setInterval(() => { if (job?.t_run && !job.t_cleanup) showFacts(); }, 1000);

byId("cancel").addEventListener("click", async () => {
  byId("cancel").disabled = true;
  try {
    await post(`/jobs/${id}/cancel`);
  } catch (error) {
    append(piece("end", `${error.message}\n`));
  } finally {
    byId("cancel").disabled = false;
  }
});

// -- events ---------------------------------------------------------------------------------------

let first = null;
let last = 0;

function describe(context) {
  const words = Object.entries(context).filter(([, value]) => typeof value !== "object");
  return words.map(([name, value]) => `${name} ${value}`).join(", ");
}

function addEvent(event) {
  if (event.timestamp < last || (event.timestamp === last && byId("events").dataset.last === event.name)) return;
  first ??= event.timestamp;
  last = event.timestamp;
  byId("events").dataset.last = event.name;
  const time = element("time", { textContent: `+${(event.timestamp - first).toFixed(3)}s` });
  time.dateTime = new Date(event.timestamp * 1000).toISOString();
  time.title = new Date(event.timestamp * 1000).toLocaleString();
  const what = element("div", { className: "what", textContent: event.name });
  const more = describe(event.context ?? {});
  if (more) what.append(element("span", { textContent: more }));
  byId("events").append(element("li", { className: event.name }, time, what));
}

async function reloadEvents() {
  const logs = await request(`/jobs/${id}/events`);
  byId("events").replaceChildren();
  first = null;
  last = 0;
  logs.eventlog.forEach(addEvent);
}

let loading = Promise.resolve();

follow(`/events?job=${id}`, {
  snapshot(page) {
    if (page.jobs.length) showJob(page.jobs[0]);
    loading = reloadEvents().catch((error) => append(piece("end", `${error.message}\n`)));
  },
  job(event) {
    showJob(event.job);
    loading.then(() => addEvent(event));
  },
});

byId("spec").addEventListener("toggle", async () => {
  if (byId("spec").open && !byId("spec-text").textContent) {
    byId("spec-text").textContent = JSON.stringify(await request(`/jobs/${id}/jobspec`), null, 2);
  }
});
