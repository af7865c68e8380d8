import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { readNode } from '../../../src/helper/workers/node.ts';
import { readRequest, servingSigner } from '../../../src/helper/workers/request.ts';
import { servingFlaw } from '../../../src/helper/workers/servingFlaw.ts';

function node(name: string, ...addresses: string[]) {
  const status = { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) };
  return readNode({ metadata: { name }, status });
}

const nodes = [
  node('control', '192.0.2.10', 'control'),
  node('w1', '192.0.2.11', 'w1', '192.0.2.10', 'kubernetes'),
  node('w2', '192.0.2.12', 'w2'),
];
const reserved = ['kubernetes', '10.0.0.1', '127.0.0.1', 'localhost'];

const ownSubject = '/O=system:nodes/CN=system:node:w1';
const ownNames = 'subjectAltName=DNS:w1,IP:192.0.2.11';

interface Asked {
  readonly subject?: string;
  readonly extensions?: readonly string[];
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly usages?: readonly string[];
}

/** Why a request of this worker, made by openssl, is not approved. */
async function flawOf(asked: Asked): Promise<string | undefined> {
  const { subject = ownSubject, extensions = [ownNames] } = asked;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
  const more = extensions.flatMap((extension) => ['-addext', extension]);
  const { stdout } = await execa('openssl', ['req', '-new', ...key, '-subj', subject, ...more]);
  const request = readRequest({
    metadata: { name: 'csr-1' },
    spec: {
      signerName: servingSigner,
      username: asked.user ?? 'system:node:w1',
      groups: asked.groups ?? ['system:nodes', 'system:authenticated'],
      usages: asked.usages ?? ['digital signature', 'key encipherment', 'server auth'],
      request: Buffer.from(stdout).toString('base64'),
    },
  });
  return servingFlaw(request, { nodes, reserved });
}

it('a kubelet gets a certificate for its own name and addresses', async () => {
  expect(await flawOf({})).toBeUndefined();
  expect(await flawOf({ extensions: ['subjectAltName=IP:192.0.2.11'] })).toBeUndefined();
});

describe('nobody gets one', () => {
  it.each<[string, Asked, string]>([
    ['who is no node', { user: 'system:bootstrap:abcdef' }, 'system:bootstrap:abcdef is no node'],
    ['who says to be a node', { groups: ['system:authenticated'] }, 'system:node:w1 is no node'],
    ['whose Node is gone', { user: 'system:node:w9' }, 'there is no Node w9'],
    ['in the name of another', { subject: '/O=system:nodes/CN=system:node:w2' }, 'its subject is not'],
    ['with another group', { subject: '/O=system:masters/CN=system:node:w1' }, 'its subject is not'],
    ['with one more group', { subject: `/O=system:masters${ownSubject}` }, 'its subject is not'],
    ['for a client', { usages: ['digital signature', 'server auth', 'client auth'] }, 'it is for'],
    ['for a client alone', { usages: ['digital signature', 'client auth'] }, 'it is for'],
    ['for no address', { extensions: [] }, 'it is for no address'],
    [
      'for an address of nobody',
      { extensions: ['subjectAltName=IP:192.0.2.99'] },
      '192.0.2.99 is not an address',
    ],
    // What the node says of its addresses has it.
    [
      'for the address of another node',
      { extensions: ['subjectAltName=IP:192.0.2.10'] },
      '192.0.2.10 is not',
    ],
    ['for a name of the API server', { extensions: [`${ownNames},DNS:kubernetes`] }, 'kubernetes is not'],
    ['for a name of another node', { extensions: [`${ownNames},DNS:w2`] }, 'w2 is not'],
    ['for a wildcard', { extensions: ['subjectAltName=DNS:*'] }, '* is not an address'],
    [
      'for an e-mail address',
      { extensions: [`${ownNames},email:a@b`] },
      'neither a DNS name nor an IPv4 address',
    ],
    ['for a URI', { extensions: [`${ownNames},URI:https://w1`] }, 'neither a DNS name nor an IPv4 address'],
    ['for an IPv6 address', { extensions: [`${ownNames},IP:::1`] }, 'neither a DNS name nor an IPv4 address'],
    ['who wants to be a CA', { extensions: [ownNames, 'basicConstraints=CA:TRUE'] }, 'more than a name'],
  ])('%s', async (_, asked, reason) => {
    expect(await flawOf(asked)).toContain(reason);
  });

  it.each([
    '',
    'AAAA',
    Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END').toString('base64'),
  ])('with the request %j', (request) => {
    const spec = { username: 'system:node:w1', groups: ['system:nodes'], usages: ['server auth'], request };
    expect(servingFlaw(readRequest({ metadata: {}, spec }), { nodes, reserved })).toMatch(
      /cannot be read|subject/u,
    );
  });
});
