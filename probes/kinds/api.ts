import { httpClient } from '../transport/httpClient.ts';
import { wrongStatus } from './http.ts';
import { parseJson } from '../transport/json.ts';
import { Unhealthy } from '../probe.ts';

/** How to ask the Kubernetes API: its URL without a path, and paths of PEM files. */
export interface Api {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** GETs one object of the API; `missing` is the reason when there is none. The object is whatever the server sends. */
export function apiObject(
  api: Api,
  path: string,
  missing: string,
): (signal: AbortSignal) => Promise<unknown> {
  const { server, ...tls } = api;
  const url = `${server.replace(/\/+$/, '')}${path}`;
  // A Node lists up to 50 images, with all their names.
  const ask = httpClient(url, { ...tls, maxBytes: 1024 * 1024 });
  return async (signal) => {
    const answer = await ask(signal);
    if (answer.status === 404) throw new Unhealthy(missing);
    if (answer.status !== 200) throw wrongStatus(answer, url, api.cert);
    const object = parseJson(answer.body);
    if (object === undefined) throw new Unhealthy(`the answer of ${url} is not JSON`);
    return object;
  };
}
