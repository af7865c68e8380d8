import { readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { judgeNode } from '../../../src/commands/doctor/benchmark.ts';
import type { InspectedNode, JudgedCheck } from '../../../src/commands/doctor/benchmark.ts';
import { kubeconfigPaths } from '../../../src/kubernetes/kubeconfig/clients.ts';
import { pkiPaths } from '../../../src/kubernetes/pki/paths.ts';
import { nodePaths } from '../../../src/lib/paths.ts';
import { cli, tempDir } from '../../support/cli.ts';
import { testBinaries } from '../../support/installBinaries.ts';

/** The checks that the benchmark calls automated, of its sections 1, 2 and 4. */
const automated = [
  ...[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((number) => `1.1.${number}`),
  ...[2, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 30].map(
    (n) => `1.2.${n}`,
  ),
  ...[2, 3, 4, 5, 6, 7].map((number) => `1.3.${number}`),
  '1.4.1',
  '1.4.2',
  ...[1, 2, 3, 4, 5, 6].map((number) => `2.${number}`),
  ...[1, 2, 5, 6, 9, 10].map((number) => `4.1.${number}`),
  ...[1, 2, 3, 6, 10].map((number) => `4.2.${number}`),
  '4.3.1',
];

async function doctor(config = '') {
  const dir = await tempDir('security');
  const file = join(dir, 'c.yaml');
  await testBinaries('kubelet');
  await writeFile(file, `name: security-test\ndataDir: ${join(dir, 'data')}\n${config}`);
  const { exitCode, stdout, stderr } = await cli(['doctor', '--security', '--json', '--config', file]);
  const { checks } = JSON.parse(String(stdout) || '{"checks":[]}') as { checks: JudgedCheck[] };
  return { exitCode, stderr, checks, dir };
}

const failed = (checks: readonly JudgedCheck[]): string[] =>
  checks.filter(({ result }) => result === 'fail').map(({ id }) => id);

test('a node with the defaults passes every automated check, or says why it does not apply', async () => {
  const before = await readdir(tmpdir());
  const { exitCode, checks, dir } = await doctor();
  expect(failed(checks)).toEqual([]);
  expect(exitCode).toBe(0);
  const ids = checks.map(({ id }) => id);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  expect(automated.filter((id) => !ids.includes(id))).toEqual([]);
  for (const { id, title, reason } of checks) expect([id, title, reason].every(Boolean), id).toBe(true);
  // It judges what a start would make, and leaves nothing of it.
  expect(checks.find(({ id }) => id === '1.1.13')!.reason).toBe(`${dir}/data/kubeconfig/admin.conf: 600`);
  expect(await readdir(dir)).toEqual(['c.yaml']);
  const made = (await readdir(tmpdir())).filter((name) => name.startsWith('k8s-single-doctor-'));
  expect(made.filter((name) => !before.includes(name))).toEqual([]);
});

test('what a config weakens fails, with what was seen, and exit code 3', async () => {
  const { exitCode, checks } = await doctor(`
components:
  apiserver:
    args: [--profiling, --authorization-mode, AlwaysAllow, --anonymous-auth=true, --audit-log-maxsize=1]
  etcd: { args: [--client-cert-auth=false, --auto-tls] }
  scheduler: { args: [--bind-address=0.0.0.0, --address=0.0.0.0] }
  kube-proxy: { args: [--metrics-bind-address=0.0.0.0:10249] }
`);
  expect(exitCode).toBe(3);
  // Node and RBAC stay: a list in a flag adds to that of the one before.
  expect(failed(checks)).toEqual(['1.2.1', '1.2.6', '1.2.15', '1.2.19', '1.4.2', '2.2', '2.3', '4.3.1']);
  expect(checks.find(({ id }) => id === '1.2.6')!.reason).toBe('--authorization-mode=AlwaysAllow');
});

test('a program that does not run, and one that is not part of the node', async () => {
  const paths = nodePaths('none', '/nowhere');
  const nothing: InspectedNode = {
    programs: new Map(),
    kubeletConfig: undefined,
    auditPolicy: undefined,
    encryption: undefined,
    paths,
    pki: pkiPaths(paths.pki),
    kubeconfigs: kubeconfigPaths(paths.kubeconfigs),
    hasProxy: false,
    hasEtcd: true,
  };
  const verdicts = new Map(judgeNode(nothing).map(({ id, result, reason }) => [id, `${result}: ${reason}`]));
  expect(verdicts.get('1.2.1')).toBe('fail: kube-apiserver does not run');
  expect(verdicts.get('4.2.1')).toBe('fail: kubelet does not run');
  expect(verdicts.get('1.1.9')).toBe('notApplied: there is no such file');
  expect(verdicts.get('4.3.1')).toBe('notApplied: there is no kube-proxy');
});

describe('refused:', () => {
  test('a graph without Kubernetes', async () => {
    const { exitCode, stderr } = await doctor(
      'kubernetes: false\ncomponents: { a: { command: [sleep, 1] } }',
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('without Kubernetes has no such checks')]);
  });
});
