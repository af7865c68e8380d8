import { httpClient, type HttpResponse, type HttpRequestOptions } from '../transport/httpClient.ts';
import { parseJson, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';
import { oneLine } from '../transport/reason.ts';

export interface HttpOptions extends Omit<HttpRequestOptions, 'method' | 'body' | 'maxBytes'> {
  /** Accepted status, or statuses. Default 200 to 399, as the kubelet's own HTTP probes. */
  readonly status?: number | readonly number[];
  /** Must occur in the body's first 64 KiB. */
  readonly body?: string | RegExp;
}

/**
 * GET answers with an accepted status, and with this body if one is asked for. Redirects are answers, not followed.
 * How it connects, and when the PEM files are read: {@link httpClient}. Throws an Error when the URL is none.
 */
export function http(url: string, options: HttpOptions = {}): Probe {
  const { status, body, ...how } = options;
  const ask = httpClient(url, how);
  return async (signal) => {
    const answer = await ask(signal);
    if (!accepts(status, answer.status)) throw wrongStatus(answer, url, how.cert);
    if (body !== undefined) demand(body, answer.body, url);
  };
}

/** The answer's status is the reason, with what the body says about it. */
export function wrongStatus(answer: HttpResponse, url: string, cert?: string): Unhealthy {
  const { status, statusText } = answer;
  const said = explain(answer.body);
  return new Unhealthy(
    [
      `HTTP ${status}${statusText && ` ${statusText}`} from ${withoutSecrets(url)}`,
      ...(said ? [said] : []),
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

function demand(expected: string | RegExp, body: string, url: string): void {
  // search, because a RegExp with the flag g remembers where it was.
  const found = typeof expected === 'string' ? body.includes(expected) : body.search(expected) >= 0;
  if (found) return;
  const wanted = typeof expected === 'string' ? JSON.stringify(expected) : String(expected);
  throw new Unhealthy(
    `no ${wanted} in the answer of ${withoutSecrets(url)}: ${oneLine(body) || 'it is empty'}`,
  );
}

/** Kubernetes health pages list each failed check as `[-]name failed`; its API errors are a JSON Status. */
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
