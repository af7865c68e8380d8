import { httpClient, type HttpResponse, type HttpRequestOptions } from '../transport/httpClient.ts';
import { parseJson, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';

export interface HttpOptions extends Omit<HttpRequestOptions, 'method' | 'body' | 'maxBytes'> {
  /** Accepted status or statuses. Default: 200 to 399, as in the kubelet's HTTP probes. */
  readonly status?: number | readonly number[];
  /** Must match in the first 64 KiB of the body. */
  readonly body?: string | RegExp;
}

/**
 * Passes when a GET returns an accepted status and, if given, a matching body. Redirects are not followed: their status
 * counts. Connections and PEM files: see {@link httpClient}. Throws an Error if the URL is invalid.
 */
export function http(url: string, options: HttpOptions = {}): Probe {
  const { status, body, ...requestOptions } = options;
  const get = httpClient(url, requestOptions);
  return async (signal) => {
    const response = await get(signal);
    if (!accepts(status, response.status)) throw wrongStatus(response, url, requestOptions.cert);
    if (body !== undefined) requireMatch(body, response.body, url);
  };
}

/** The failure for a status that is not accepted, explained by the body. `cert`: the client certificate that was sent. */
export function wrongStatus(response: HttpResponse, url: string, cert?: string): Unhealthy {
  const { status, statusText } = response;
  const explanation = explain(response.body);
  return new Unhealthy(
    [
      `HTTP ${status}${statusText && ` ${statusText}`} from ${withoutSecrets(url)}`,
      ...(explanation ? [explanation] : []),
      ...(status === 401
        ? [cert ? `is ${cert} signed by a CA it trusts?` : 'is a client certificate missing?']
        : []),
    ].join(': '),
  );
}

function accepts(expected: HttpOptions['status'], status: number): boolean {
  if (expected === undefined) return status >= 200 && status < 400;
  return typeof expected === 'number' ? status === expected : expected.includes(status);
}

function requireMatch(expected: string | RegExp, body: string, url: string): void {
  // Not test(): with the flag g, a RegExp keeps its position.
  const found = typeof expected === 'string' ? body.includes(expected) : body.search(expected) >= 0;
  if (found) return;
  const shown = typeof expected === 'string' ? JSON.stringify(expected) : String(expected);
  throw new Unhealthy(
    `no ${shown} in the answer of ${withoutSecrets(url)}: ${oneLine(body) || 'it is empty'}`,
  );
}

/** Kubernetes health endpoints list each failed check as `[-]name failed`; API errors are a JSON Status. */
function explain(body: string): string {
  const failed = body.split('\n').filter((line) => line.startsWith('[-]'));
  if (failed.length > 0) {
    const names = failed.slice(0, 3).map((line) => oneLine(line.replace(': reason withheld', '')));
    return [...names, ...(failed.length > 3 ? [`and ${failed.length - 3} more`] : [])].join(', ');
  }
  return oneLine((body.startsWith('{') && textAt(parseJson(body), 'message')) || body);
}

function withoutSecrets(address: string): string {
  const { origin, pathname, search } = new URL(address);
  return `${origin}${pathname}${search}`;
}
