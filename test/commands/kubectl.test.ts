import { mkdir, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
import { writeNodeFile } from '../../src/instance/nodeFile.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from '../support/cli.ts';

it('a kubectl that was removed is reported with the command that installs it', async () => {
  const name = 'kubectl-gone';
  const { run, data } = nodePaths(name);
  await mkdir(run, { recursive: true });
  onTestFinished(async () => rm(run, { recursive: true }));
  const node = { name, pid: process.pid, ip: '127.0.0.1', dataDir: data, kubeconfig: '/no/such/config' };
  await writeNodeFile({ ...node, kubectl: '/no/such/kubectl' });
  const { exitCode, stderr } = await cli(['kubectl', '--name', name, '--', 'get', 'nodes']);
  expect(String(stderr)).toMatch(
    /^k8s-single: the kubectl of node kubectl-gone cannot be started: .*kubectl ENOENT/,
  );
  expect(String(stderr)).toContain('k8s-single install');
  expect(exitCode).toBe(6);
});

it('no proxy of the shell is asked for the node, and no cache is made in the working folder without a HOME', async () => {
  const name = 'kubectl-proxy';
  const { run, data } = nodePaths(name);
  await mkdir(run, { recursive: true });
  onTestFinished(async () => rm(run, { recursive: true }));
  const node = { name, pid: process.pid, ip: '172.30.7.2', dataDir: data, kubeconfig: '/no/such/config' };
  await writeNodeFile({ ...node, kubectl: '/usr/bin/env' });
  const env = { HTTPS_PROXY: 'http://127.0.0.1:9', NO_PROXY: 'intranet.example' };
  const { stdout } = await cli(['kubectl', '--name', name], { env: { ...env, HOME: undefined } });
  const list = 'intranet.example,localhost,127.0.0.1,127.0.0.0/8,::1,172.30.7.2';
  expect(String(stdout).split('\n')).toEqual(
    expect.arrayContaining([
      `HOME=${userInfo().homedir}`,
      'HTTPS_PROXY=http://127.0.0.1:9',
      `NO_PROXY=${list}`,
      `no_proxy=${list}`,
    ]),
  );
});
