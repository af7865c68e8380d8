import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Api } from '../../../probes/kinds/api.ts';
import { at, listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import {
  ensureDefaultServiceAccount,
  ensureDefaultToken,
  ensureRootCa,
} from '../../../src/kubernetes/components/bootstrapSteps.ts';
import { adminAccess } from '../../../src/kubernetes/kubeconfig/clients.ts';
import { pkiPaths } from '../../../src/kubernetes/pki/paths.ts';
import { pass } from '../../fixtures/probes/attempts.ts';
import { startControlPlane } from '../../support/controlPlane.ts';
import type { ControlPlane } from '../../support/controlPlane.ts';
import { testBinaries } from '../../support/installBinaries.ts';

// A real API server, and no controller manager, which would make all this.
let plane: ControlPlane;
let access: Api;
let files: { ca: string; key: string };

async function kubectl(...args: string[]): Promise<string> {
  const { kubectl: program } = await testBinaries('kubectl');
  const config = join(plane.facts.paths.kubeconfigs, 'admin.conf');
  return (await execa(program, ['--kubeconfig', config, ...args])).stdout;
}

async function object(...args: string[]): Promise<unknown> {
  return parseJson(await kubectl('get', ...args, '--output=json'));
}

beforeAll(async () => {
  plane = await startControlPlane();
  access = adminAccess(plane.facts);
  const { ca, serviceAccount } = pkiPaths(plane.facts.paths.pki);
  files = { ca: ca.cert, key: serviceAccount.private };
  // The API server makes the namespace when it is ready.
  await until(ensureDefaultServiceAccount(access), { timeoutMs: 20_000 }, new AbortController().signal);
}, 120_000);
afterAll(async () => plane.stop());

it('gives the default account a token that the API server accepts, once', async () => {
  await pass(ensureDefaultToken(access, files));
  await pass(ensureDefaultToken(access, files));
  const secrets = listAt(await object('secrets'), 'items');
  expect(secrets).toHaveLength(1);
  const [secret] = secrets;
  expect(at(await object('serviceaccount', 'default'), 'secrets')).toEqual([
    { name: textAt(secret, 'metadata', 'name') },
  ]);
  const data = (name: string): string => Buffer.from(textAt(secret, 'data', name), 'base64').toString();
  expect(data('ca.crt')).toBe(await readFile(files.ca, 'utf8'));
  const { server, ca } = access;
  const asAccount = ['--server', server, '--certificate-authority', ca, '--token', data('token')];
  const { kubectl: program } = await testBinaries('kubectl');
  const { stderr } = await execa(program, ['--kubeconfig=/dev/null', ...asAccount, 'get', 'pods'], {
    reject: false,
  });
  expect(stderr).toContain('User "system:serviceaccount:default:default" cannot list resource "pods"');
});

it('a pod is admitted then', async () => {
  expect(
    await kubectl('run', 'first', '--image=first', '--output=jsonpath={.spec.volumes[0].secret.secretName}'),
  ).toBe(textAt(at(await object('serviceaccount', 'default'), 'secrets', '0'), 'name'));
});

it('leaves no Secret behind when another one was quicker', async () => {
  await kubectl('delete', 'serviceaccount', 'default');
  await pass(ensureDefaultServiceAccount(access));
  const before = await kubectl('get', 'secrets', '--output=name');
  // Each sees an account without a token.
  const probes = [1, 2].map(() => ensureDefaultToken(access, files));
  const both = await Promise.allSettled(probes.map(async (probe) => probe(new AbortController().signal)));
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  for (const probe of probes) await pass(probe);
  const after = (await kubectl('get', 'secrets', '--output=name')).split('\n');
  expect(after.filter((name) => !before.includes(name))).toEqual([
    `secret/${textAt(at(await object('serviceaccount', 'default'), 'secrets', '0'), 'name')}`,
  ]);
});

it('publishes the CA, once', async () => {
  await pass(ensureRootCa(access, files));
  await pass(ensureRootCa(access, files));
  expect(at(await object('configmap', 'kube-root-ca.crt'), 'data')).toEqual({
    'ca.crt': await readFile(files.ca, 'utf8'),
  });
});
