import { httpClient } from '../transport/httpClient.ts';
import { wrongStatus } from './http.ts';
import { parseJson } from '../transport/json.ts';
import { Unhealthy } from '../probe.ts';
import type { Probe } from '../probe.ts';

/** Access to a Kubernetes API server: its URL without a path, and paths of PEM files. */
export interface Api {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** GETs one object; it is not validated. On status 404, rejects with the reason `missing`. */
export function apiObject(
  api: Api,
  path: string,
  missing: string,
): (signal: AbortSignal) => Promise<unknown> {
  const { server, ...tls } = api;
  const url = `${server.replace(/\/+$/, '')}${path}`;
  // A Node object lists up to 50 images, with all their names, and a cluster has up to 256 nodes.
  const get = httpClient(url, { ...tls, maxBytes: 8 * 1024 * 1024 });
  return async (signal) => {
    const response = await get(signal);
    if (response.status === 404) throw new Unhealthy(missing);
    if (response.status !== 200) throw wrongStatus(response, url, api.cert);
    const object = parseJson(response.body);
    if (object === undefined) throw new Unhealthy(`the answer of ${url} is not JSON`);
    return object;
  };
}

/** Passes when the API has the object; `missing` is the reason when it does not. */
export function apiObjectExists(api: Api, path: string, missing: string): Probe {
  const get = apiObject(api, path, missing);
  return async (signal) => void (await get(signal));
}
