import type { z } from 'zod';
import { duration, filled, integer, list, map, pattern, short, text } from './fields.ts';

const url = () => pattern(/^https?:\/\/[^\s/]/, 'an http:// or https:// address');
const path = () => filled('a path');

const address = /^(?:(?<host>[^\s:]+|\[[^\s\]]+\]):)?(?<port>\d{1,5})$/;

/** `5432` or `127.0.0.1:5432` or `[::1]:5432`. */
const tcpTarget = () =>
  text('PORT or HOST:PORT').transform((value, context) => {
    const { host, port } = address.exec(value)?.groups ?? {};
    if (Number(port) >= 1 && Number(port) <= 65_535)
      return { host: host?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port: Number(port) };
    context.addIssue({ code: 'custom', message: 'expected PORT or HOST:PORT' });
    return { host: '', port: 0 };
  });

/** What can be looked at, one key for each kind of probe. */
const kinds = {
  http: short(
    'url',
    map({
      url: url(),
      status: integer(100, 599).optional().describe('The status it must answer with. Default: any 2xx.'),
      body: filled('text').optional().describe('Text that the answer must contain.'),
      ca: path().optional().describe('PEM file with the CA that signed the server certificate.'),
      cert: path().optional().describe('PEM file with the client certificate to show.'),
      key: path().optional().describe('PEM file with the key of the client certificate.'),
    }),
  )
    .optional()
    .describe('GET a page: its address alone, or a map.'),
  tcp: tcpTarget().optional().describe('Something accepts connections: PORT or HOST:PORT.'),
  unix: path().optional().describe('Something accepts connections on this unix socket.'),
  exec: list(text())
    .min(1, { error: 'expected a command: a list of words' })
    .optional()
    .describe('A command that exits with 0.'),
  file: path().optional().describe('The file exists.'),
  etcd: url().optional().describe('etcd at this address says that it is healthy.'),
  grpcHealth: filled('HOST:PORT or unix:PATH').optional().describe('A gRPC server says SERVING.'),
  cri: path().optional().describe('The container runtime on this unix socket says RuntimeReady.'),
};

const timeout = duration().optional().describe('For one look.');

/** Refuses what names no kind of probe, or more than one. */
function oneKind(names: readonly string[]) {
  return (spec: Record<string, unknown>, context: z.RefinementCtx): void => {
    const given = names.filter((name) => spec[name] !== undefined);
    if (given.length === 1) return;
    const found = given.length === 0 ? '' : `, not ${given.join(' and ')}`;
    context.addIssue({ code: 'custom', message: `expected one kind of probe (${names.join(', ')})${found}` });
  };
}

const oneProbe = map({ ...kinds, timeout }).superRefine(oneKind(Object.keys(kinds)));

const probeShape = {
  ...kinds,
  all: list(oneProbe)
    .min(1, { error: 'expected a list of probes' })
    .optional()
    .describe('Every one of these.'),
  timeout,
};

const refineProbe = oneKind([...Object.keys(kinds), 'all']);

/** One kind of probe, or all of several. */
export const probeSchema = map(probeShape).superRefine(refineProbe);

/** A probe that is repeated while the component runs. */
export const liveSchema = map({
  ...probeShape,
  interval: duration().optional().describe('Between two looks. Default: 2s.'),
  misses: integer(1, 1000).optional().describe('So many in a row are the end. Default: 3.'),
}).superRefine(refineProbe);

export type ProbeSpec = z.output<typeof probeSchema>;
export type LiveSpec = z.output<typeof liveSchema>;
