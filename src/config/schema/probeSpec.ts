import type { z } from 'zod';
import { kinds as table, parseProbe } from '../../../probes/kinds/parseProbe.ts';
import { reasonOf } from '../../lib/errors.ts';
import { duration, filled, integer, list, map, named, oneOrMore, short, text, word } from './fields.ts';
import { etcdProbe, httpProbe } from './urlProbes.ts';

/** A kind whose target is one text, as in `k8s-single probe KIND TARGET`. */
function target(kind: string) {
  const { summary = '', example = '' } = table[kind] ?? {};
  return text(`a target like ${example}`)
    .superRefine(accepts((input) => parseProbe(kind, input)))
    .exactOptional()
    .describe(`${summary}. Example: ${example}`);
}

/** A refinement that fails with the error that `build` throws. */
function accepts<Spec>(build: (spec: Spec) => unknown) {
  return (spec: Spec, context: z.RefinementCtx): void => {
    try {
      build(spec);
    } catch (error) {
      context.addIssue({ code: 'custom', message: reasonOf(error) });
    }
  };
}

const tls = {
  ca: filled('a path').exactOptional().describe('A PEM file with the CA of the server certificate.'),
  cert: filled('a path').exactOptional().describe('A PEM file with the client certificate.'),
  key: filled('a path').exactOptional().describe('A PEM file with the key of the client certificate.'),
};

const url = text('an http:// or https:// address').describe('The http:// or https:// address.');

const httpSpec = map({
  url,
  status: oneOrMore(integer(100, 599))
    .exactOptional()
    .describe('The expected status code or codes. Default: 200 to 399.'),
  body: filled('text').exactOptional().describe('A text that the response body must contain.'),
  headers: named(/^[\w-]+$/, 'letters, digits and dashes', word())
    .exactOptional()
    .describe('Request headers.'),
  socket: filled('a path')
    .exactOptional()
    .describe('The unix socket to connect to instead of the host in the URL.'),
  ...tls,
}).superRefine(accepts(httpProbe));

const etcdSpec = map({ url, ...tls }).superRefine(accepts(etcdProbe));

/** One key per kind of probe. */
const kinds = {
  http: short('url', httpSpec).exactOptional().describe('GET succeeds: a URL, or a map.'),
  tcp: target('tcp'),
  unix: target('unix'),
  exec: list(word())
    .min(1, { error: 'expected a list of words, the command' })
    .exactOptional()
    .describe(
      'The command, a list of words, exits with 0; it runs with the environment, working directory and user of the component.',
    ),
  file: target('file'),
  etcd: short('url', etcdSpec).exactOptional().describe('etcd reports that it is healthy: a URL, or a map.'),
  grpc: target('grpc'),
  cri: target('cri'),
};

const timeout = duration()
  .exactOptional()
  .describe('The time limit for one attempt. Default: 2s until ready, then 5s.');

const oneProbe = map({ ...kinds, timeout }).superRefine(oneKind(Object.keys(kinds)));

const shape = {
  ...kinds,
  all: list(oneProbe)
    .min(1, { error: 'expected a list of probes' })
    .exactOptional()
    .describe('All of these probes pass.'),
  timeout,
};

const oneOfAll = oneKind([...Object.keys(kinds), 'all']);

/** One kind of probe, or all of several. */
export const probeSchema = map(shape).superRefine(oneOfAll);

/** A probe repeated while the component runs. */
export const liveSchema = map(
  {
    ...shape,
    period: duration().exactOptional().describe('The pause before each attempt. Default: 2s.'),
    failureThreshold: integer(1, 1000)
      .exactOptional()
      .describe('The number of failed attempts in a row that makes the component unhealthy. Default: 3.'),
  },
  { interval: 'period', misses: 'failureThreshold' },
).superRefine(oneOfAll);

export type ProbeSpec = z.output<typeof probeSchema>;

/** A refinement that requires exactly one kind of probe. */
function oneKind(names: readonly string[]) {
  return (spec: Record<string, unknown>, context: z.RefinementCtx): void => {
    const given = names.filter((name) => spec[name] !== undefined);
    // A misspelt kind is already reported as an unknown key.
    if (given.length === 1 || context.issues.length > 0) return;
    const found = given.length === 0 ? '' : `, not ${given.join(' and ')}`;
    context.addIssue({ code: 'custom', message: `expected one kind of probe (${names.join(', ')})${found}` });
  };
}
