// SPDX-License-Identifier: LGPL-3.0-or-later
/** The server's API, a function a request. */

import { post, query, request } from "./http.js";
import { API, TABLE_FIELDS, jobPath } from "./paths.js";

/** @typedef {import("../model/types.js").Job} Job */
/** @typedef {import("../model/types.js").JobPage} JobPage */

/** @param {Record<string, any>} parameters @param {AbortSignal} [signal] @returns {Promise<JobPage>} */
export const listJobs = (parameters, signal) => request(`${API}/jobs${query({ fields: TABLE_FIELDS, ...parameters })}`, { signal });

/** @param {string} id @returns {Promise<any>} */
export const getJob = (id) => request(jobPath(id));
/** @param {string} id @param {string} logs job, exec, input, output @returns {Promise<{items: any[], complete: boolean}>} */
export const getTimeline = (id, logs) => request(jobPath(id, `/timeline${query({ logs, limit: 500 })}`));
/** The request that makes a job like this one. @param {string} id @returns {Promise<{request: any, exact: boolean}>} */
export const getAsked = (id) => request(jobPath(id, "/request"));
/** @param {string} id @returns {Promise<any>} */
export const getWhy = (id) => request(jobPath(id, "/why"));

/** @param {string} id @param {string} name cancel, signal, hold, release, urgency, update, resubmit @param {any} [body] */
export const act = (id, name, body = {}) => post(jobPath(id, `/${name}`), body);
/** @param {any} body @returns {Promise<any>} */
export const actOnMany = (body) => post(`${API}/jobs/actions`, body);

/** @param {any} job @param {string} key that makes a second sending the same job @returns {Promise<any>} */
export const submit = (job, key) => post(`${API}/jobs`, job, { "Idempotency-Key": key });
/** @param {any} jobs @param {string} key @returns {Promise<any>} */
export const submitMany = (jobs, key) => post(`${API}/jobs/bulk`, jobs, { "Idempotency-Key": key });
/** Whether a job could run here, and why not. @param {any} job @param {AbortSignal} [signal] @returns {Promise<any>} */
export const check = (job, signal) => request(`${API}/jobs/check`, { method: "POST", body: job, signal });

/**
 * Lines of output by their place among those that the filter leaves; each has its number among all.
 * @param {string} id @param {number} start @param {number} count @param {Record<string, any>} filter @param {AbortSignal} [signal]
 * @returns {Promise<import("../model/types.js").LinePage>}
 */
export async function getLines(id, start, count, filter, signal) {
  const page = await request(jobPath(id, `/lines${query({ stream: "all", ...filter, start, count })}`), { signal });
  const lines = page.items.map((/** @type {any} */ { line, ...rest }) => ({ ...rest, n: line + 1 }));
  return { total: page.total, first: page.start, lines, complete: page.complete };
}

/** @param {string} id @param {any} body */
export const sendInput = (id, body) => post(jobPath(id, "/input"), body);

/** @param {Record<string, any>} parameters @returns {Promise<any>} */
export const getOverview = (parameters) => request(`${API}/overview${query(parameters)}`);
/** @returns {Promise<any>} */
export const getInstance = () => request(`${API}/instance`);
/** @param {Record<string, any>} parameters @returns {Promise<any>} */
export const getResources = (parameters) => request(`${API}/resources${query(parameters)}`);
/** @param {any} body */
export const drain = (body) => post(`${API}/resources/drain`, body);
/** @param {any} body */
export const undrain = (body) => post(`${API}/resources/undrain`, body);
export const getQueues = () => request(`${API}/queues`);
/** @param {string} name @param {string} verb @param {any} [body] */
export const actOnQueue = (name, verb, body = {}) => post(`${API}/queues/${encodeURIComponent(name)}/${verb}`, body);

/** @returns {Promise<any>} */
export const getTokens = () => request(`${API}/tokens`);
/** @param {any} body @returns {Promise<any>} */
export const createToken = (body) => post(`${API}/tokens`, body);
/** @param {string} id */
export const revokeToken = (id) => request(`${API}/tokens/${encodeURIComponent(id)}`, { method: "DELETE" });

/** @returns {Promise<any>} */
export const getWebhooks = () => request(`${API}/webhooks`);
/** @param {any} body @returns {Promise<any>} */
export const createWebhook = (body) => post(`${API}/webhooks`, body);
/** @param {string} id */
export const deleteWebhook = (id) => request(`${API}/webhooks/${encodeURIComponent(id)}`, { method: "DELETE" });
/** @param {string} id */
export const pingWebhook = (id) => post(`${API}/webhooks/${encodeURIComponent(id)}/ping`);
/** @param {string} id */
export const retryWebhook = (id) => post(`${API}/webhooks/${encodeURIComponent(id)}/retry`);

/** @param {string} id @param {string} path @returns {Promise<any>} */
export const listFiles = (id, path) => request(jobPath(id, `/files${query({ path })}`));
/** @param {string} id @param {string} path encoded @param {Blob} data @param {number} [offset] */
export const writeFile = (id, path, data, offset) => request(jobPath(id, `/files/${path}${query({ offset })}`), { method: "PUT", blob: data });
