// SPDX-License-Identifier: LGPL-3.0-or-later
/** Talking to the server: requests, event streams, and the light that shows whether they live. */

const light = document.getElementById("link");

export function showLink(state, text) {
  if (light && (light.dataset.state !== state || light.textContent !== text)) {
    light.dataset.state = state;
    light.textContent = text;
  }
}

const token = document.querySelector("meta[name=csrf-token]")?.content;
const HEADERS = { Accept: "application/json", "Content-Type": "application/json", ...(token && { "X-CSRF-Token": token }) };

/** Fetch JSON; an error is thrown with the server's own sentence. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { headers: HEADERS, ...options });
  } catch {
    throw new Error("The server cannot be reached.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? `The server answered ${response.status}.`);
  return body;
}

export const post = (path, body) =>
  request(path, { method: "POST", body: body === undefined ? undefined : JSON.stringify(body) });

/** Follow server-sent events for good. EventSource resumes after a cut; where it gives up, this begins again. */
export function follow(path, handlers) {
  let source;
  let delay = 500;
  const open = () => {
    source = new EventSource(path);
    source.onopen = () => { delay = 500; showLink("live", "live"); };
    source.onerror = () => {
      showLink("lost", "reconnecting");
      if (source.readyState === EventSource.CLOSED) retry();
    };
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data), stop));
    }
    source.addEventListener("gone", () => { source.close(); showLink("lost", "instance is gone"); retry(); });
  };
  let timer;
  const retry = () => { clearTimeout(timer); timer = setTimeout(open, delay); delay = Math.min(delay * 2, 8000); };
  const stop = () => { clearTimeout(timer); source.close(); };
  open();
  addEventListener("pagehide", stop, { once: true });
  return stop;
}

if (light?.dataset.state === "wait" && document.querySelector(".api")) showLink("live", "live");
