// SPDX-License-Identifier: LGPL-3.0-or-later
/** The page of jobs: live table, filters, resources, the stop button. */

import { follow, post, request, showLink } from "./connection.js";
import { element, isActive } from "./format.js";
import { JobTable } from "./table.js";
import "./submit.js";

const byId = (id) => document.getElementById(id);
const PENDING = new Set(["NEW", "DEPEND", "PRIORITY", "SCHED"]);
const GROUPS = {
  all: ["All", () => true],
  wait: ["Waiting", (job) => PENDING.has(job.state)],
  run: ["Running", (job) => job.state === "RUN" || job.state === "CLEANUP"],
  done: ["Completed", (job) => job.status === "COMPLETED"],
  bad: ["Failed", (job) => job.status === "FAILED" || job.status === "TIMEOUT"],
  off: ["Canceled", (job) => job.status === "CANCELED"],
};
const groupOf = (job) => Object.keys(GROUPS).find((name) => name !== "all" && GROUPS[name][1](job));

const table = new JobTable(byId("scroller"), cancel);
const counts = {};
let group = "all";
let cursor = null;

// -- the list -------------------------------------------------------------------------------------

function takeCounts(server) {
  counts.all = server.total;
  counts.wait = server.depend + server.priority + server.sched;
  counts.run = server.run + server.cleanup;
  counts.done = server.successful;
  counts.bad = server.failed + server.timeout;
  counts.off = server.canceled;
  showCounts();
}

const chips = new Map();
for (const [name, [title]] of Object.entries(GROUPS)) {
  const number = element("b");
  const chip = element("button", { type: "button" }, title, number);
  chip.setAttribute("aria-pressed", String(name === group));
  chip.addEventListener("click", () => choose(name));
  chips.set(name, { chip, number });
  byId("chips").append(chip);
}

function showCounts() {
  for (const [name, { number }] of chips) number.textContent = counts[name] ?? 0;
}

function choose(name) {
  group = name;
  for (const [key, { chip }] of chips) chip.setAttribute("aria-pressed", String(key === name));
  applyFilter();
}

function applyFilter() {
  const text = byId("filter").value.trim().toLowerCase();
  const inGroup = GROUPS[group][1];
  const words = (job) => `${job.name}\n${job.jobid}\n${job.id_str}\n${job.user}\n${job.nodelist}`.toLowerCase();
  table.filter((job) => inGroup(job) && (!text || words(job).includes(text)));
}

byId("filter").addEventListener("input", applyFilter);

table.onShown = (shown, loaded) => {
  byId("empty").hidden = shown > 0;
  byId("empty-text").textContent = loaded
    ? "No job matches this filter."
    : "All is quiet. Submit a job, and it will show up here.";
  const total = Math.max(counts.all ?? 0, loaded);
  byId("shown").textContent = shown === total ? `${total} jobs` : `${shown} of ${total} jobs`;
  byId("older").hidden = !cursor;
};

byId("older").addEventListener("click", async () => {
  const page = await request(`/jobs?limit=1000&cursor=${encodeURIComponent(cursor)}`);
  cursor = page.next;
  table.reset([...page.jobs, ...table.order]);
});

async function cancel(job, button) {
  button.disabled = true;
  try {
    await post(`/jobs/${job.id_str}/cancel`);
  } catch (error) {
    button.title = error.message;
    if (!error.message.includes("ended")) alert(error.message);
  } finally {
    button.disabled = false;
  }
}

follow("/events?limit=1000", {
  snapshot(page) {
    cursor = page.next;
    table.reset(page.jobs);
    takeCounts(page.counts);
    refreshResources();
  },
  job(event) {
    const before = table.put(event.job);
    const old = before && groupOf(before);
    const now = groupOf(event.job);
    if (!before) counts.all = (counts.all ?? 0) + 1;
    if (old !== now) {
      if (old) counts[old] -= 1;
      if (now) counts[now] = (counts[now] ?? 0) + 1;
    }
    showCounts();
    if (event.name === "alloc" || event.name === "free") refreshResources();
  },
});

// -- resources ------------------------------------------------------------------------------------

let asking = false;
let again = false;

async function refreshResources() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    showResources(await request("/resources"));
  } catch (error) {
    byId("hosts").textContent = error.message;
  }
  await new Promise((resolve) => setTimeout(resolve, 250)); // at most four times a second
  asking = false;
  if (again) { again = false; refreshResources(); }
}

function showResources(resources) {
  for (const kind of ["nodes", "cores", "gpus"]) {
    const meter = document.querySelector(`.meter[data-kind=${kind}]`);
    const used = resources.allocated[kind];
    const all = resources.up[kind];
    meter.hidden = kind === "gpus" && !resources.all.gpus;
    meter.querySelector("strong").textContent = `${used} of ${all} busy`;
    meter.querySelector("i").style.width = all ? `${(100 * used) / all}%` : "0";
  }
  const down = resources.down.nodes;
  const names = resources.nodes.slice(0, 3).map((node) => node.host);
  const more = resources.nodes.length > 3 ? ` and ${resources.nodes.length - 3} more` : "";
  byId("hosts").textContent = names.join(", ") + more + (down ? ` · ${down} down` : "");
}

// -- stop -----------------------------------------------------------------------------------------

byId("stop").addEventListener("click", () => {
  const active = table.order.filter(isActive).length;
  byId("stop-text").textContent = active
    ? `${active} ${active === 1 ? "job is" : "jobs are"} not finished and will be ended. This page goes away too.`
    : "No job is waiting or running. This page goes away too.";
  byId("stop-error").hidden = true;
  byId("stop-dialog").showModal();
});

byId("stop-now").addEventListener("click", async () => {
  byId("stop-now").disabled = true;
  try {
    await post("/service/stop");
    byId("stop-dialog").close();
    byId("stop").disabled = true;
    showLink("lost", "stopping");
  } catch (error) {
    byId("stop-error").textContent = error.message;
    byId("stop-error").hidden = false;
  } finally {
    byId("stop-now").disabled = false;
  }
});
