// SPDX-License-Identifier: LGPL-3.0-or-later
/** Requests. An error has the server's own sentence, its status, and the fields that it is about. */

/** @typedef {{field: string, problem: string}} FieldFault */

export class RequestError extends Error {
  /**
   * @param {string} message a sentence for people
   * @param {number} status of the answer, 0 without one
   * @param {FieldFault[]} [fields] what is wrong with which field
   */
  constructor(message, status, fields = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }

  /** Whether the server or its instance is away, so that the same may work later. */
  get away() {
    return this.status === 0 || this.status === 503 || this.status === 504;
  }
}

/** What the session's requests carry to be told from forged ones. */
const csrf = () => document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";

/**
 * What an answer that is not OK says.
 * @param {number} status
 * @param {any} body
 */
export function problem(status, body) {
  const fields = Array.isArray(body?.errors) ? body.errors.map(fieldFault).filter(Boolean) : [];
  const text = typeof body?.detail === "string" ? body.detail : `The server answered ${status}.`;
  return new RequestError(text, status, fields);
}

/** One entry of `errors`, in any of the spellings that are about. @param {any} entry @returns {FieldFault | null} */
function fieldFault(entry) {
  if (typeof entry !== "object" || entry === null) return null;
  const where = entry.field ?? (Array.isArray(entry.loc) ? entry.loc.filter((/** @type {any} */ step) => step !== "body").join(".") : "");
  return where ? { field: String(where), problem: String(entry.problem ?? entry.msg ?? entry.detail ?? "") } : null;
}

/**
 * Send a request and decode its JSON.
 * @param {string} path
 * @param {{method?: string, body?: any, blob?: Blob, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 * @returns {Promise<any>}
 */
export async function request(path, options = {}) {
  const { method = "GET", body, blob, signal, headers = {} } = options;
  /** @type {Record<string, string>} */
  const sent = { Accept: "application/json", ...headers };
  if (blob) sent["Content-Type"] = "application/octet-stream";
  else if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET") {
    const token = csrf();
    if (token) sent["X-CSRF-Token"] = token;
  }
  let response;
  try {
    response = await fetch(path, { method, signal, headers: sent, body: blob ?? (body === undefined ? undefined : JSON.stringify(body)) });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new RequestError("The server cannot be reached.", 0);
  }
  const text = await response.text();
  let decoded = null;
  try {
    decoded = text ? JSON.parse(text) : null;
  } catch {
    if (response.ok) throw new RequestError("The server sent something that is not JSON.", response.status);
  }
  if (!response.ok) throw problem(response.status, decoded);
  return decoded;
}

/** @param {string} path @param {any} [body] @param {Record<string, string>} [headers] */
export const post = (path, body = {}, headers = {}) => request(path, { method: "POST", body, headers });

/** A query without what is empty. @param {Record<string, any>} parameters */
export function query(parameters) {
  const entries = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}
