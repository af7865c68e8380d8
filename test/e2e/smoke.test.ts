import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { checks } from '../../src/smoke/checks.ts';
import { clusterDns, storage } from '../support/addOns.ts';
import { cli, main, tempDir } from '../support/cli.ts';
import { dnsServer } from '../support/dnsServer.ts';
import { TestNode } from '../support/testNode.ts';

interface Result {
  readonly check: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly evidence?: readonly string[];
}

const node = new TestNode('e2e-smoke');

async function smoke(...more: string[]) {
  const { exitCode, stdout, stderr } = await cli(node.args('smoke', '--output', 'json', ...more));
  const lines = String(stdout).split('\n').filter(Boolean);
  const results = new Map(lines.map((line) => JSON.parse(line) as Result).map((each) => [each.check, each]));
  return { exitCode, results, stderr: String(stderr) };
}

const named = (outcome: string, results: ReadonlyMap<string, Result>): string[] =>
  [...results.values()].filter((each) => each.outcome === outcome).map(({ check }) => check);

/** What a run makes besides the objects in its namespace. */
async function traces(): Promise<string> {
  const namespaces = await node.kubectl('get', 'namespaces', '-o', 'name');
  const { ctr = '' } = await readNodeFile(node.name);
  const images = ['--namespace', 'k8s.io', 'images', 'list', '--quiet'];
  const { stdout } = await execa(ctr, ['--address', node.containerdSocket, ...images]);
  return [namespaces, stdout].join('\n');
}

let before: string;

beforeAll(async () => {
  await node.up();
  before = await traces();
});

afterAll(async () => node.remove());

describe('on a healthy node', () => {
  it('every check passes but those of what is not installed, and nothing is left', async () => {
    const report = join(await tempDir('smoke'), 'new/report.xml');
    const { exitCode, results, stderr } = await smoke('--junit', report);
    expect([stderr, named('failed', results)]).toEqual(['', []]);
    expect(exitCode).toBe(0);
    expect(named('skipped', results).toSorted()).toEqual(['dns', 'volume']);
    expect(results.size).toBe(checks.length);
    expect(results.get('dns')?.reason).toContain('DNS is not installed');
    expect(results.get('volume')?.reason).toContain('there is no default StorageClass');
    expect(await readFile(report, 'utf8')).toContain(`tests="${checks.length}" failures="0"`);
    expect(await traces()).toBe(before);
  });

  it('DNS and storage are checked where they are installed', async () => {
    const { ip } = await readNodeFile(node.name);
    // The host's end of the pair.
    const host = ip.replace(/\d+$/, '1');
    const address = await node.kubectl('get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}');
    const dns = await dnsServer(host, 'kubernetes.default.svc.cluster.local', address);
    const disk = join(node.dataDir, 'disk');
    try {
      await node.apply(...clusterDns(host, dns.port), ...storage(disk));
      const { exitCode, results } = await smoke('--only', 'dns,volume');
      expect([...results.values()].filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
      expect(exitCode).toBe(0);
      expect(await readFile(join(disk, 'file'), 'utf8')).toBe('kept\n');
    } finally {
      await node.kubectl('delete', '-n', 'kube-system', 'service', 'kube-dns');
      await node.kubectl('delete', 'storageclass/smoke', 'persistentvolume/smoke');
      dns.close();
    }
  });

  it('any cluster can be tested by its kubeconfig, as the holder of a token, too', async () => {
    await node.kubectl('create', 'serviceaccount', 'tester');
    const rights = ['--clusterrole', 'cluster-admin', '--serviceaccount', 'default:tester'];
    await node.kubectl('create', 'clusterrolebinding', 'tester', ...rights);
    const folder = await tempDir('smoke');
    const request = join(folder, 'request.json');
    await writeFile(request, '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}');
    const path = '/api/v1/namespaces/default/serviceaccounts/tester/token';
    const answer = await node.kubectl('create', '--raw', path, '-f', request);
    const { token } = (JSON.parse(answer) as { status: { token: string } }).status;
    const admin = await node.run('kubeconfig');
    const kubeconfig = join(folder, 'token.conf');
    const user = `    token: ${token}`;
    await writeFile(
      kubeconfig,
      admin.replace(/^ +client-certificate-data: .*\n/m, '').replace(/^ +client-key-data: .*$/m, user),
    );
    const { exitCode, results } = await smoke('--kubeconfig', kubeconfig, '--only', 'node,rbac');
    expect(named('passed', results).toSorted()).toEqual(['namespace', 'node', 'rbac']);
    expect(exitCode).toBe(0);
  });
});

describe('when something is broken', () => {
  it('an image that cannot be had: the check fails with the events, what needs it is skipped', async () => {
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
    expect(await traces()).toBe(before);
  });

  it('without kube-proxy only Services fail, and the reason points to it', async () => {
    await node.run('stop', 'kube-proxy');
    try {
      const { exitCode, results } = await smoke('--only', 'service', '--timeout', '15s');
      expect(exitCode).toBe(7);
      expect(named('failed', results)).toEqual(['service']);
      expect(results.get('service')?.reason).toMatch(
        /the cluster IP: .* does not answer.*look at kube-proxy/,
      );
      expect(results.get('service')?.evidence).toContainEqual(expect.stringContaining('kube-proxy'));
    } finally {
      await node.run('start', 'kube-proxy');
    }
  });
});

describe('interrupted', () => {
  /** Starts a run, sends the signals one after the other when the first check has passed, and resolves with the exit code. */
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

  it('once: everything it made is gone when it ends', async () => {
    expect(await interrupted('SIGINT')).toBe(130);
    expect(await traces()).toBe(before);
  });

  it('twice: it does not wait for the end of the removal, but has ordered it', async () => {
    expect([130, 143]).toContain(await interrupted('SIGINT', 'SIGTERM'));
    const namespaces = await node.kubectl('get', 'namespaces', '-o', 'name');
    const left = namespaces.split('\n').filter((name) => name.includes('smoke'));
    for (const name of left) await node.kubectl('wait', '--for=delete', '--timeout=60s', name);
    expect(await traces()).toBe(before);
  });
});
