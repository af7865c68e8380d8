import { isIP } from 'node:net';
import { z } from 'zod';
import { isDomain } from './addresses.ts';
import { anyRegistry } from './defaults.ts';
import { bool, filled, map, named, oneOrMore, text } from './fields.ts';

const hostForm = 'a host with at most a port, like registry.example.com:5000, or "*" for all others';
const mirrorForm = 'a URL like https://mirror.example.com';

const registry = map({
  mirrors: oneOrMore(
    text(mirrorForm).refine((value) => isMirror(value), {
      error: `expected ${mirrorForm}, without user, query or fragment`,
    }),
  )
    .default([])
    .describe(
      'URLs to ask first, in this order. A path with /v2 in it is the path of the API; to any other, /v2 is added. Default: none.',
    ),
  upstream: bool()
    .exactOptional()
    .describe(
      'Whether the registry itself is asked for what no mirror has. Default: true, but false for localhost.',
    ),
  ca: filled('a file')
    .exactOptional()
    .describe(
      "A file with the certificates (PEM) of the CAs of this host, beside the system's, relative to this file.",
    ),
  cert: filled('a file')
    .exactOptional()
    .describe('A file with the client certificate (PEM) for this host, relative to this file.'),
  key: filled('a file')
    .exactOptional()
    .describe('A file with the key (PEM) of the client certificate, relative to this file.'),
  skipVerify: bool()
    .default(false)
    .describe("Do not verify this host's certificate: for tests. Default: false."),
  credentials: filled('a file, or the word docker')
    .exactOptional()
    .describe(
      "A file with USER:PASSWORD, or in the format of docker's config.json, relative to this file; or the word `docker`: $DOCKER_CONFIG/config.json or ~/.docker/config.json. Default: none.",
    ),
}).superRefine(({ cert, key, mirrors, upstream }, context) => {
  const refuse = (at: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [at], message });
  if (cert !== undefined && key === undefined) refuse('cert', 'it needs its key: set key');
  if (key !== undefined && cert === undefined) refuse('key', 'it needs its certificate: set cert');
  if (upstream === false && mirrors.length === 0)
    refuse('upstream', 'without mirrors nothing is left to ask');
});

/** By host: where and how containerd pulls the images whose names begin with it; for mirrors, their own hosts. */
export const registriesSchema = named(/^/, hostForm, registry).superRefine((registries, context) => {
  for (const [host, { mirrors, upstream: _, ...own }] of Object.entries(registries)) {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', path: [host], message });
    if (host === anyRegistry) {
      const { skipVerify, ...files } = own;
      if (skipVerify || Object.keys(files).length > 0)
        refuse(`"${anyRegistry}" has mirrors alone: set ${Object.keys(files)[0] ?? 'skipVerify'} for a host`);
      else if (mirrors.length === 0) refuse(`"${anyRegistry}" without mirrors has no effect`);
    } else if (!isHost(host)) refuse(`expected ${hostForm}`);
  }
});

export type Registries = z.output<typeof registriesSchema>;

function isHost(value: string): boolean {
  const [, host = '', port] = /^([^:[\]]+|\[[^\]]+\])(?::(\d{1,5}))?$/.exec(value) ?? [];
  const isName = isDomain(host) || isIP(host.replaceAll(/[[\]]/g, '')) !== 0;
  return isName && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535));
}

function isMirror(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === '';
}
