import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import type { Probe } from '../probes/probe.ts';
import { pkiPaths } from '../src/kubernetes/pki/paths.ts';
import { paths } from './place.ts';

/** How the observer looks: all the same for every contestant, every 20 ms and at most `timeoutMs` long. */
export async function observe(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await until(probe, { timeoutMs, periodMs: 20, maxPeriodMs: 20, attemptTimeoutMs: 5000 }, signal);
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Asks the API server at the node's address as the administrator, over one kept connection. */
export type Ask = (path: string, signal: AbortSignal, body?: object) => Promise<Answer>;

/** Resolves as soon as the node's certificates are there, with what asks the API server at this address. */
export async function administrator(
  { host, port }: { host: string; port: number },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Ask> {
  const { ca, admin } = pkiPaths(paths.pki);
  const written: Probe = async () => {
    if (![ca.cert, admin.cert, admin.key].every((file) => existsSync(file)))
      throw new Unhealthy('no certificates yet');
  };
  await observe(written, timeoutMs, signal);
  const agent = new Agent({
    keepAlive: true,
    ca: await readFile(ca.cert),
    cert: await readFile(admin.cert),
    key: await readFile(admin.key),
  });
  return async (path, cancel, body) =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          agent,
          host,
          port,
          path,
          signal: cancel,
          method: body === undefined ? 'GET' : 'POST',
          headers: { accept: 'application/json', 'content-type': 'application/json' },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          response.on('error', reject);
        },
      );
      sent.on('error', (error) => reject(new Unhealthy(error.message)));
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

/**
 * The node's address, as soon as the host has its own end of the pair: before that there is no route to it but the default
 * one, which leads elsewhere.
 */
export async function nodeAddress(timeoutMs: number, signal: AbortSignal): Promise<string> {
  let address = '';
  const connected: Probe = async () => {
    const name = await readFile(join(paths.run, 'interface'), 'utf8').catch(() => '');
    const own = networkInterfaces()[name]?.find(({ family }) => family === 'IPv4');
    if (own === undefined) throw new Unhealthy('the node has no address yet');
    address = own.address.replace(/\.1$/, '.2');
  };
  await observe(connected, timeoutMs, signal);
  return address;
}
