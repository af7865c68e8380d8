import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { checks } from '../../src/smoke/checks.ts';
import { storage } from '../support/addOns.ts';
import { cli, main, tempDir } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { TestNode } from '../support/testNode.ts';

interface Result {
  readonly check: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly evidence?: readonly string[];
}

const node = new TestNode('e2e-smoke');

async function smoke(...args: string[]) {
  const { exitCode, stdout, stderr } = await cli(node.args('smoke', '--output', 'json', ...args));
  const lines = String(stdout).split('\n').filter(Boolean);
  const results = new Map(lines.map((line) => JSON.parse(line) as Result).map((each) => [each.check, each]));
  return { exitCode, results, stderr: String(stderr) };
}

const checksWith = (outcome: string, results: ReadonlyMap<string, Result>): string[] =>
  [...results.values()].filter((each) => each.outcome === outcome).map(({ check }) => check);

/** While this file exists, the kubelet makes its files for itself alone. */
const hides = join(node.dataDir, 'hides');

/** A folder with a kubelet that has umask 077 when {@link hides} exists. */
async function binDir(): Promise<string> {
  const { kubelet } = await testBinaries('kubelet');
  const dir = join(node.dataDir, 'bin');
  await mkdir(dir, { recursive: true });
  const script = `#!/bin/sh\nif [ -e '${hides}' ]; then umask 077; fi\nexec '${kubelet}' "$@"\n`;
  await writeFile(join(dir, 'kubelet'), script, { mode: 0o755 });
  return dir;
}

/** Runs a program in the network and among the mounts of the node, and resolves with its output. */
async function inNode(file: string, ...args: string[]): Promise<string> {
  const { pid } = (await node.status()).get('kube-proxy')!;
  const target = String(await node.hostPid(pid!));
  return (await execa('nsenter', ['--target', target, '--net', '--mount', file, ...args])).stdout;
}

/** The state that a run changes outside its namespace: the cluster's other objects and the images of the node. */
async function nodeState(): Promise<string> {
  const namespaces = await node.kubectl('get', 'namespaces,validatingwebhookconfigurations', '-o', 'name');
  const { ctr = '' } = await readNodeFile(node.name);
  const images = ['--namespace', 'k8s.io', 'images', 'list', '--quiet'];
  const { stdout } = await execa(ctr, ['--address', node.containerdSocket, ...images]);
  return [namespaces, stdout].join('\n');
}

let before: string;

beforeAll(async () => {
  await node.remove();
  await node.up('--bin-dir', await binDir());
  before = await nodeState();
});

afterAll(async () => node.remove());

describe('on a healthy node', () => {
  it('all checks pass, none is skipped, and nothing is left', async () => {
    const report = join(await tempDir('smoke'), 'new/report.xml');
    const { exitCode, results, stderr } = await smoke('--junit', report);
    expect([stderr, checksWith('failed', results)]).toEqual(['', []]);
    expect(exitCode).toBe(0);
    expect(checksWith('skipped', results)).toEqual([]);
    expect(results.size).toBe(checks.length);
    expect(await readFile(report, 'utf8')).toContain(`tests="${checks.length}" failures="0"`);
    expect(await nodeState()).toBe(before);
  });

  it('storage of others is checked if it is the default, for which the own class steps back', async () => {
    const disk = join(node.dataDir, 'disk');
    try {
      await node.apply(...storage(disk));
      const defaults = async (): Promise<string> => {
        const classes = await node.kubectl('get', 'storageclasses', '-o', 'wide');
        return [...classes.matchAll(/^(\S+) \(default\)/gm)].map(([, name]) => name).join();
      };
      await expect.poll(defaults, { timeout: 10_000 }).toBe('smoke');
      const { exitCode, results } = await smoke('--only', 'volume');
      expect([...results.values()].filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
      expect(exitCode).toBe(0);
      expect(await readFile(join(disk, 'file'), 'utf8')).toBe('kept\n');
    } finally {
      await node.kubectl('delete', 'storageclass/smoke', 'persistentvolume/smoke');
      // Made again as the default one.
      await node.kubectl('delete', 'storageclass/k8s-single');
    }
  });

  it('any cluster can be tested through its kubeconfig, also with a token', async () => {
    await node.kubectl('create', 'serviceaccount', 'tester');
    const rights = ['--clusterrole', 'cluster-admin', '--serviceaccount', 'default:tester'];
    await node.kubectl('create', 'clusterrolebinding', 'tester', ...rights);
    const folder = await tempDir('smoke');
    const request = join(folder, 'request.json');
    await writeFile(request, '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}');
    const path = '/api/v1/namespaces/default/serviceaccounts/tester/token';
    const response = await node.kubectl('create', '--raw', path, '-f', request);
    const { token } = (JSON.parse(response) as { status: { token: string } }).status;
    const admin = await node.run('kubeconfig');
    const kubeconfig = join(folder, 'token.conf');
    const user = `    token: ${token}`;
    await writeFile(
      kubeconfig,
      admin.replace(/^ +client-certificate-data: .*\n/m, '').replace(/^ +client-key-data: .*$/m, user),
    );
    const { exitCode, results } = await smoke('--kubeconfig', kubeconfig, '--only', 'node,rbac');
    expect(checksWith('passed', results).toSorted()).toEqual(['namespace', 'node', 'rbac']);
    expect(exitCode).toBe(0);
  });
});

describe('when something is broken', () => {
  it('a missing image fails the check of the pod, with its events, and skips dependent checks', async () => {
    const image = 'k8s-single.local/none:1';
    const { exitCode, results } = await smoke('--image', image, '--only', 'logs', '--timeout', '5s');
    expect(exitCode).toBe(7);
    expect(results.get('pod')).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/ErrImagePull|ImagePullBackOff/),
    });
    expect(results.get('pod')?.evidence?.join('\n')).toMatch(
      /event: Failed pod\/pod: .*k8s-single\.local\/none:1/,
    );
    expect(results.get('logs')).toMatchObject({ outcome: 'skipped', reason: 'needs pod, which failed' });
    expect(await nodeState()).toBe(before);
  });

  it('without kube-proxy only the check of Services fails, and its reason names kube-proxy', async () => {
    await node.run('stop', 'kube-proxy');
    try {
      const { exitCode, results } = await smoke('--only', 'service', '--timeout', '15s');
      expect(exitCode).toBe(7);
      expect(checksWith('failed', results)).toEqual(['service']);
      expect(results.get('service')?.reason).toMatch(
        /the cluster IP: .* does not answer.*look at kube-proxy/,
      );
      expect(results.get('service')?.evidence).toContainEqual(expect.stringContaining('kube-proxy'));
    } finally {
      await node.run('start', 'kube-proxy');
    }
  });
});

describe('when it is broken for some pods only', () => {
  it('a kubelet that hides its files fails the check of the pod of another user', async () => {
    await writeFile(hides, '');
    try {
      await node.run('restart', 'kubelet');
      const { exitCode, results } = await smoke('--only', 'config-files,other-user');
      expect(exitCode).toBe(7);
      expect(checksWith('failed', results)).toEqual(['other-user']);
      expect(results.get('other-user')?.reason).toMatch(
        /its log: is "cat: can't open '\S+': Permission denied/,
      );
    } finally {
      await rm(hides);
      await node.run('restart', 'kubelet');
    }
  });

  it("without a route for Services, the checks of the node's own network fail", async () => {
    const route = (await inNode('ip', 'route', 'show', '10.0.0.0/24')).trim().split(' ');
    await inNode('ip', 'route', 'delete', ...route);
    try {
      const { exitCode, results } = await smoke('--only', 'service,host-network,webhook', '--timeout', '15s');
      expect(exitCode).toBe(7);
      expect(checksWith('failed', results).toSorted()).toEqual(['host-network', 'webhook']);
      expect(results.get('host-network')?.reason).toMatch(/No route to host; .*ip route get/);
      expect(results.get('webhook')?.reason).toMatch(/failed calling webhook .*: no route to host/);
      expect(await nodeState()).toBe(before);
    } finally {
      await inNode('ip', 'route', 'add', ...route);
    }
  });

  it('a firewall in front of the API server fails only the check that asks it from a pod', async () => {
    const { iptables } = await testBinaries('iptables');
    const rule = [
      'INPUT',
      '--in-interface',
      'cni0',
      '--protocol',
      'tcp',
      '--dport',
      '6443',
      '--jump',
      'DROP',
    ];
    await inNode(iptables, '--insert', ...rule);
    try {
      const only = 'service,host-network,webhook,pod-to-api';
      const { exitCode, results } = await smoke('--only', only, '--timeout', '15s');
      expect(exitCode).toBe(7);
      expect(checksWith('failed', results)).toEqual(['pod-to-api']);
      expect(results.get('pod-to-api')?.reason).toMatch(
        /^https:\/\/10\.0\.0\.1:443: .*timed out; .*firewall/,
      );
    } finally {
      await inNode(iptables, '--delete', ...rule);
    }
  });
});

describe('when interrupted', () => {
  /** Starts a run, sends the signals after the first result, and resolves with the exit code. */
  async function interrupted(...signals: NodeJS.Signals[]): Promise<number | null> {
    const child = spawn(process.execPath, [main, ...node.args('smoke', '--output', 'json')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    for (const signal of signals) child.kill(signal);
    return (await exited)[0];
  }

  it('once, it removes everything before it exits', async () => {
    expect(await interrupted('SIGINT')).toBe(130);
    expect(await nodeState()).toBe(before);
  });

  it('twice, it requests the removal but does not wait for it', async () => {
    expect([130, 143]).toContain(await interrupted('SIGINT', 'SIGTERM'));
    const namespaces = await node.kubectl('get', 'namespaces', '-o', 'name');
    const left = namespaces.split('\n').filter((name) => name.includes('smoke'));
    for (const name of left) await node.kubectl('wait', '--for=delete', '--timeout=60s', name);
    expect(await nodeState()).toBe(before);
  });
});
