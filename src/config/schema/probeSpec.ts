import type { z } from 'zod';
import { kinds as table, parseProbe } from '../../../probes/kinds/parseProbe.ts';
import { reasonOf } from '../../lib/errors.ts';
import { duration, filled, integer, list, map, named, oneOrMore, short, text, word } from './fields.ts';
import { etcdProbe, httpProbe } from './urlProbes.ts';

/** A kind whose target is one text, in the form that `k8s-single probe KIND TARGET` takes, too. */
function target(kind: string) {
  const { summary = '', example = '' } = table[kind] ?? {};
  return text(`a target like ${example}`)
    .superRefine(makes((written) => parseProbe(kind, written)))
    .exactOptional()
    .describe(`${summary}. Example: ${example}`);
}

/** Refuses what no probe can be made of, with the probe's own words. */
function makes<Spec>(make: (spec: Spec) => unknown) {
  return (spec: Spec, context: z.RefinementCtx): void => {
    try {
      make(spec);
    } catch (error) {
      context.addIssue({ code: 'custom', message: reasonOf(error) });
    }
  };
}

const tls = {
  ca: filled('a path').exactOptional().describe('PEM file with the CA that signed the server certificate.'),
  cert: filled('a path').exactOptional().describe('PEM file with the client certificate to show.'),
  key: filled('a path').exactOptional().describe('PEM file with the key of the client certificate.'),
};

const url = text('an http:// or https:// address');

const httpSpec = map({
  url,
  status: oneOrMore(integer(100, 599))
    .exactOptional()
    .describe('What it must answer with. Default: 200 to 399.'),
  body: filled('text').exactOptional().describe('Text that the answer must contain.'),
  headers: named(/^[\w-]+$/, 'letters, digits and dashes', word())
    .exactOptional()
    .describe('Sent with the request.'),
  socket: filled('a path')
    .exactOptional()
    .describe('Connect to this unix socket instead of the host of the address.'),
  ...tls,
}).superRefine(makes(httpProbe));

const etcdSpec = map({ url, ...tls }).superRefine(makes(etcdProbe));

/** One key for each kind of probe. */
const kinds = {
  http: short('url', httpSpec).exactOptional().describe('GET is answered: an address, or a map.'),
  tcp: target('tcp'),
  unix: target('unix'),
  exec: list(word())
    .min(1, { error: 'expected a list of words, the command' })
    .exactOptional()
    .describe('The command, a list of words, exits with 0.'),
  file: target('file'),
  etcd: short('url', etcdSpec).exactOptional().describe('etcd says it is healthy: an address, or a map.'),
  grpc: target('grpc'),
  cri: target('cri'),
};

const timeout = duration().exactOptional().describe('For one look. Default: 2s until ready, then 5s.');

const oneProbe = map({ ...kinds, timeout }).superRefine(oneKind(Object.keys(kinds)));

const shape = {
  ...kinds,
  all: list(oneProbe)
    .min(1, { error: 'expected a list of probes' })
    .exactOptional()
    .describe('Every one of these probes passes.'),
  timeout,
};

const oneOfAll = oneKind([...Object.keys(kinds), 'all']);

/** One kind of probe, or all of several. */
export const probeSchema = map(shape).superRefine(oneOfAll);

/** A probe that is repeated while the component runs. */
export const liveSchema = map(
  {
    ...shape,
    period: duration().exactOptional().describe('The pause before each attempt. Default: 2s.'),
    failureThreshold: integer(1, 1000)
      .exactOptional()
      .describe('This many failed attempts in a row make it unhealthy. Default: 3.'),
  },
  { interval: 'period', misses: 'failureThreshold' },
).superRefine(oneOfAll);

export type ProbeSpec = z.output<typeof probeSchema>;

/** Refuses what names no kind of probe, or more than one. */
function oneKind(names: readonly string[]) {
  return (spec: Record<string, unknown>, context: z.RefinementCtx): void => {
    const given = names.filter((name) => spec[name] !== undefined);
    // A misspelt kind has been reported already.
    if (given.length === 1 || context.issues.length > 0) return;
    const found = given.length === 0 ? '' : `, not ${given.join(' and ')}`;
    context.addIssue({ code: 'custom', message: `expected one kind of probe (${names.join(', ')})${found}` });
  };
}
