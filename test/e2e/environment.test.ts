import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { importBusybox, busyboxImage } from '../support/busybox.ts';
import { cli, closed, main } from '../support/cli.ts';
import { TestNode } from '../support/testNode.ts';

const node = new TestNode('e2e-environment');
/** The sandbox has a /dev/shm of its own, without this folder. */
const folder = '/dev/shm/k8s-single-e2e-environment';

/** Each of these once made another node, or none. */
const env = {
  ...closed,
  PATH: process.env['PATH']!,
  ETCD_NAME: 'm1',
  ETCD_DATA_DIR: '/srv/etcd',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  https_proxy: 'http://127.0.0.1:9',
  LC_ALL: 'xx_YY.ISO-8859-15',
  GODEBUG: 'http2debug=2',
  NOTIFY_SOCKET: '/run/none.sock',
};

beforeAll(async () => {
  await node.remove();
  await mkdir(folder, { recursive: true });
  const up = `umask 077; ulimit -S -f 20000; exec '${process.execPath}' '${main}' "$@" <&-`;
  const args = node.args('up', '--detach', '--output', 'plain');
  // Not HOME, USER and TERM.
  await execa('sh', ['-c', up, 'sh', ...args], { cwd: folder, env, extendEnv: false });
  await importBusybox(node.containerdSocket);
});
afterAll(async () => {
  await node.remove();
  await rm(folder, { recursive: true, force: true });
});

/** kubectl with the proxy variables that lead nowhere. */
async function kubectl(...args: string[]): Promise<string> {
  const result = await cli(node.args('kubectl', '--', ...args), { env, extendEnv: false, all: true });
  expect(result.exitCode, String(result.all)).toBe(0);
  return String(result.stdout);
}

it('a pod that runs as another user can use its files, and its log can be read past the proxy', async () => {
  const script = 'cat /etc/hosts /etc/resolv.conf /etc/hostname && echo a > /dir/a && cat /dir/a; ulimit -f';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'other' },
    spec: {
      restartPolicy: 'Never',
      securityContext: { runAsUser: 1000, runAsGroup: 1000 },
      volumes: [{ name: 'dir', emptyDir: {} }],
      containers: [
        {
          name: 'main',
          image: busyboxImage,
          imagePullPolicy: 'Never',
          command: ['sh', '-c', script],
          volumeMounts: [{ name: 'dir', mountPath: '/dir' }],
        },
      ],
    },
  };
  await node.apply(pod);
  await kubectl('wait', '--for=condition=Ready=false', '--timeout=60s', 'pod/other');
  const phase = '{.status.containerStatuses[0].state.terminated.exitCode}';
  await expect
    .poll(async () => kubectl('get', 'pod', 'other', '-o', `jsonpath=${phase}`), { timeout: 60_000 })
    .toBe('0');
  const log = await kubectl('logs', 'other');
  expect(log).toContain('localhost');
  expect(log).toContain('nameserver');
  expect(log.trim().split('\n').slice(-3)).toEqual(['other', 'a', 'unlimited']);
});

it('the smoke test passes with a proxy that leads nowhere', async () => {
  const { exitCode, all } = await cli(node.args('smoke'), { env, extendEnv: false, all: true });
  expect(exitCode, String(all)).toBe(0);
});

it('etcd keeps its data in the data folder', async () => {
  const { dataDir } = await readNodeFile(node.name);
  await expect(execa('test', ['-d', join(dataDir, 'etcd/member')])).resolves.toBeDefined();
  await expect(execa('test', ['-e', '/srv/etcd'])).rejects.toThrow();
});
