import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { main } from '../support/cli.ts';
import { startOutside } from '../support/outside.ts';
import type { Outside } from '../support/outside.ts';
import { processTable } from '../support/processes.ts';

// The nodes of this file reach a server in a network namespace, and nothing else: see support/outside.ts.

const name = 'e2e-egress';
const web = '203.0.113.7';
const webName = 'registry.example';
/** Each would be answered if a packet for it left the node. */
const closed = ['169.254.169.254', '10.244.0.77', '10.0.0.99', '192.0.0.1', '192.0.0.3', '192.0.0.5'];

let folder = '';
let outside: Outside;
let withPasta = '';

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-e2e-egress-');
  outside = await startOutside();
  const { root } = await debianRoot(['passt']);
  withPasta = join(folder, 'bin');
  await symlink(join(root, 'usr/bin'), withPasta);
  await busyboxArchive(folder, busyboxImage);
});
afterEach(async () => {
  await command('down', '--purge', '--data-dir', join(folder, 'data'));
});
afterAll(async () => {
  await outside[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A command for the node, as started on the machine with a way out. */
async function command(word: string, ...args: string[]): Promise<{ exitCode?: number; all: string }> {
  const env = { K8S_SINGLE_EGRESS: 'auto' };
  return outside.run([process.execPath, main, ...word.split(' '), '--name', name, ...args], {
    env,
    stdin: 'ignore',
  });
}

async function succeed(word: string, ...args: string[]): Promise<string> {
  const { exitCode, all } = await command(word, ...args);
  expect(exitCode, all).toBe(0);
  return all;
}

async function up(binDir: string, ...args: string[]): Promise<string> {
  const dirs = ['--data-dir', join(folder, 'data'), '--bin-dir', binDir];
  return succeed('up', '--detach', '--output', 'plain', ...dirs, ...args);
}

async function startPod(pod: string, spec: object): Promise<void> {
  const file = join(folder, `${pod}.json`);
  const container = { name: pod, image: busyboxImage, imagePullPolicy: 'Never' };
  const metadata = { name: pod };
  const whole = { containers: [container], terminationGracePeriodSeconds: 0, ...spec };
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec: whole }));
  await succeed('kubectl', '--', 'apply', '--filename', file);
  await succeed('kubectl', '--', 'wait', '--for=condition=Ready', '--timeout=60s', `pod/${pod}`);
}

async function inPod(pod: string, script: string): Promise<{ exitCode?: number; all: string }> {
  return command('kubectl', '--', 'exec', pod, '--', 'sh', '-c', script);
}

/**
 * With nc: the static busybox's wget resolves names with libraries that the image lacks. The pause is for pasta of 2023: of a
 * connection that the client closes for its part before the answer, it loses or repeats the answer.
 */
const fetch = (host: string): string =>
  `{ printf 'GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n'; sleep 0.5; } | busybox nc -w 2 ${host} 80 2>&1`;

/** The processes of pasta for this node. */
async function pastas(): Promise<number[]> {
  const all = [...(await processTable()).values()];
  return all.filter((each) => each.command.includes(`/${name}/net.node`)).map(({ pid }) => pid);
}

async function eventually(look: () => Promise<void>): Promise<void> {
  await until(look, { timeoutMs: 20_000, attemptTimeoutMs: 10_000 }, new AbortController().signal);
}

it('pods reach other machines by name through pasta, and never a closed range; pasta ends with the node', async () => {
  await up(withPasta);
  await succeed('image load', join(folder, 'image.tar'));
  await startPod('usual', {});
  await startPod('default', { dnsPolicy: 'Default' });
  await startPod('host', { hostNetwork: true, dnsPolicy: 'Default' });
  for (const pod of ['usual', 'default', 'host']) {
    expect((await inPod(pod, fetch(web))).all, pod).toContain(`this is ${web}`);
    expect((await inPod(pod, `busybox nslookup -type=a ${webName}`)).all, pod).toContain(web);
    for (const address of closed)
      expect((await inPod(pod, fetch(address))).exitCode, `${pod} ${address}`).toBe(1);
  }
  const requests = await outside.requests();
  expect(requests.filter((line) => line.startsWith('http'))).toEqual(
    Array.from({ length: 3 }, () => `http ${web} ${web}`),
  );
  expect(requests.some((line) => line.startsWith('dns'))).toBe(true);

  // It is supervised.
  const [first] = await pastas();
  process.kill(first!, 'SIGKILL');
  await eventually(async () => {
    const { all } = await inPod('usual', fetch(web));
    if (!all.includes(`this is ${web}`)) throw new Unhealthy(all);
  });
  expect(await pastas()).not.toContain(first);

  // The supervisor is killed: nobody is left to stop it.
  const supervisor = [...(await processTable()).values()].find(
    (each) => each.command.includes(`supervisor.cjs up --name ${name}`) && !each.command.includes('init'),
  );
  process.kill(supervisor!.pid, 'SIGKILL');
  await eventually(async () => {
    const left = await pastas();
    if (left.length > 0) throw new Unhealthy(`still there: ${left.join(', ')}`);
  });
});

it('a node has no egress with `none`, and a pasta that fails keeps no node from its start', async () => {
  const config = join(folder, 'none.yaml');
  await writeFile(config, 'network: { egress: none }\n');
  await up(withPasta, '--config', config);
  expect(await succeed('status')).not.toContain('egress');
  expect(await pastas()).toEqual([]);
  await succeed('down');

  const broken = await mkdtemp(join(folder, 'broken-'));
  await writeFile(join(broken, 'pasta'), '#!/bin/sh\necho no tun today >&2\nexit 1\n');
  await chmod(join(broken, 'pasta'), 0o755);
  const dirs = ['--data-dir', join(folder, 'data'), '--bin-dir', broken];
  const started = await command('up', '--detach', '--output', 'plain', ...dirs);
  expect(started.exitCode, started.all).toBe(0);
  expect(started.all).toMatch(
    /egress is not ready yet \(.*no tun today.*\), and the node does not wait for it/,
  );
  const status = async (): Promise<string> => (await command('status')).all;
  await expect.poll(status, { timeout: 30_000 }).toMatch(/^egress +failed/m);
  const all = await status();
  expect(all).toMatch(/^node +ready/m);
});

it('`pasta` without a way out is refused before anything starts', async () => {
  const config = join(folder, 'pasta.yaml');
  await writeFile(config, 'network: { egress: pasta }\n');
  await outside.run(['ip', 'route', 'delete', 'default']);
  const dirs = ['--data-dir', join(folder, 'data'), '--bin-dir', withPasta, '--config', config];
  const { exitCode, all } = await command('up', '--detach', ...dirs);
  expect(exitCode, all).toBe(3);
  expect(all).toContain('egress: none: this machine has no default route itself');
  // `auto` says so and goes on.
  expect(await up(withPasta)).toContain('egress: none: this machine has no default route itself');
});
