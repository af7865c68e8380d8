import { isIP } from 'node:net';
import { isDomain } from './addresses.ts';
import { defaults } from './defaults.ts';
import { bool, filled, list, map, text } from './fields.ts';

const endpointForm = 'a URL like https://192.0.2.1:2379';

/** The keys of the files with which an etcd of others is reached. */
export const etcdFileKeys = ['caFile', 'certFile', 'keyFile'] as const;

/** The node's own etcd, or one of others that runs already. */
export const etcdSchema = map({
  fsync: bool()
    .prefault(defaults.etcd.fsync)
    .describe(
      `Sync every write to disk; without it, a throw-away node boots up to a second faster. Default: ${defaults.etcd.fsync}.`,
    ),
  endpoints: list(
    text(endpointForm).refine((value) => isEndpoint(value), {
      error: `expected ${endpointForm}, with a port and nothing after it`,
    }),
  )
    .min(1, { error: 'name the client URL of each member' })
    .exactOptional()
    .describe(
      'The client URLs of the members of an etcd that runs already, instead of one of the node; https, but for members on loopback. Default: none.',
    ),
  caFile: filled('a file')
    .exactOptional()
    .describe(
      'A file with the CA (PEM) of the certificates of these members, relative to this file and not below /run.',
    ),
  certFile: filled('a file')
    .exactOptional()
    .describe('A file with the client certificate (PEM) for them, relative to this file and not below /run.'),
  keyFile: filled('a file')
    .exactOptional()
    .describe('A file with the key (PEM) of that certificate, relative to this file and not below /run.'),
}).superRefine(({ fsync, endpoints, ...files }, context) => {
  const refuse = (message: string, ...path: (string | number)[]): void =>
    context.addIssue({ code: 'custom', path, message });
  const given = etcdFileKeys.filter((key) => files[key] !== undefined);
  if (endpoints === undefined) {
    for (const key of given) refuse('it is for an etcd of others: set endpoints', key);
    return;
  }
  if (!fsync) refuse('an etcd of others syncs by its own settings: leave it out with endpoints', 'fsync');
  const isPlain = endpoints.every((endpoint) => endpoint.startsWith('http:'));
  for (const [index, endpoint] of endpoints.entries()) {
    if (endpoints.indexOf(endpoint) < index) refuse(`${endpoint} is there twice`, 'endpoints', index);
    if (endpoint.startsWith('https:')) continue;
    if (!isLoopback(endpoint))
      refuse(`${endpoint}: the cluster's Secrets need TLS on their way: use https`, 'endpoints', index);
    else if (!isPlain) refuse('http and https cannot be mixed', 'endpoints', index);
  }
  if (isPlain) for (const key of given) refuse('it is for https endpoints', key);
  const missing = etcdFileKeys.filter((key) => files[key] === undefined);
  if (!isPlain && missing.length > 0) refuse(`https needs ${missing.join(', ')}, too`, 'endpoints');
});

function isEndpoint(value: string): boolean {
  // `URL` leaves out a port that is the default of its scheme.
  if (!/^https?:\/\/[^/?#@]+:\d+$/.test(value) || !URL.canParse(value)) return false;
  const host = hostOf(value);
  return isIP(host) !== 0 || isDomain(host);
}

function isLoopback(endpoint: string): boolean {
  const host = hostOf(endpoint);
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** IPv6 without brackets. */
function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replaceAll(/[[\]]/g, '');
}
