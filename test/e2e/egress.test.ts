import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { ensurePki } from '../../src/kubernetes/pki/pki.ts';
import type { Pki } from '../../src/kubernetes/pki/paths.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { busyboxArchive, busyboxImage } from '../support/busybox.ts';
import { main } from '../support/cli.ts';
import { startOutside } from '../support/outside.ts';
import type { Outside } from '../support/outside.ts';
import { identity } from '../support/pki.ts';
import { processTable } from '../support/processes.ts';
import { login, registryPackages, startRegistry } from '../support/registry.ts';
import type { Registry } from '../support/registry.ts';

// The nodes of this file reach a server in a network namespace, and nothing else: see support/outside.ts.

const name = 'e2e-egress';
const web = '203.0.113.7';
const webName = 'registry.example';
/** Each would be answered if a packet for it left the node. */
const closed = ['169.254.169.254', '10.244.0.77', '10.0.0.99', '192.0.0.1', '192.0.0.3', '192.0.0.5'];

/** For all commands: only containerd may use it, and not for the address itself. */
const proxy = { HTTPS_PROXY: `http://${web}:80`, NO_PROXY: web };

let folder = '';
let outside: Outside;
let withPasta = '';
let pki: Pki;
/** In the internet, by TLS and with a login, and on the machine, for everyone. */
let registries: Registry[] = [];
let digest = '';

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-e2e-egress-');
  outside = await startOutside();
  const { root } = await debianRoot(registryPackages);
  withPasta = join(folder, 'bin');
  await mkdir(withPasta);
  // Not docker-registry's other programs.
  await symlink(join(root, 'usr/bin/pasta'), join(withPasta, 'pasta'));
  await busyboxArchive(folder, busyboxImage);
  // With a layer of its own: see ImageStore.save.
  await mkdir(join(folder, 'app/root'), { recursive: true });
  await writeFile(join(folder, 'app/root/app'), 'app');
  const archive = await busyboxArchive(join(folder, 'app'), 'app:1');
  pki = await ensurePki({ ...identity, nodeName: webName, nodeIp: web, dir: join(folder, 'pki') });
  const { internet, machine } = outside.enter;
  registries = await Promise.all([
    startRegistry({
      dir: join(folder, 'registry'),
      address: web,
      port: 443,
      tls: pki.apiserver,
      hasLogin: true,
      enter: internet,
    }),
    startRegistry({ dir: join(folder, 'local'), address: '0.0.0.0', port: 5000, enter: machine }),
  ]);
  digest = await registries[0]!.push(archive, 'team/app:1');
  await registries[1]!.push(archive, 'app:1');
});
afterEach(async () => {
  await command('down', '--purge', '--data-dir', join(folder, 'data'));
});
afterAll(async () => {
  for (const registry of registries) await registry[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A command for the node, as started on the machine with a way out. */
async function command(word: string, ...args: string[]): Promise<{ exitCode?: number; all: string }> {
  const env = { K8S_SINGLE_EGRESS: 'auto', ...proxy };
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

/** Prints each of the addresses that answers. */
const fetchAll = (addresses: readonly string[]): string =>
  `for each in ${addresses.join(' ')}; do { ${fetch('$each').replaceAll("'", '"')} && echo "$each is open"; } & done; wait`;

const loaded = { image: busyboxImage, imagePullPolicy: 'Never' };
/** What differs in their containers, and in their other fields. */
const pods: Readonly<Record<string, () => readonly [container: object, spec?: object]>> = {
  // The first whose image is pulled.
  slow: () => [{ image: 'slow.example/team/app:1' }],
  usual: () => [loaded],
  default: () => [loaded, { dnsPolicy: 'Default' }],
  host: () => [loaded, { dnsPolicy: 'Default', hostNetwork: true }],
  tag: () => [{ image: `${webName}/team/app:1` }],
  digest: () => [{ image: `${webName}/team/app@${digest}` }],
  mirror: () => [{ image: 'mirrored.example/team/app:1' }],
  secret: () => [{ image: `${web}/team/app:1` }, { imagePullSecrets: [{ name: 'login' }] }],
  local: () => [{ image: 'localhost:5000/app:1' }],
  refused: () => [{ image: `${web}/team/refused:1` }],
  unknown: () => [{ image: `${webName}/team/none:1` }],
};

async function startPods(): Promise<void> {
  const items = Object.entries(pods).map(([pod, each]) => {
    const [container, spec = {}] = each();
    const containers = [{ name: pod, imagePullPolicy: 'Always', ...container }];
    const whole = { containers, terminationGracePeriodSeconds: 0, ...spec };
    return { apiVersion: 'v1', kind: 'Pod', metadata: { name: pod }, spec: whole };
  });
  const auths = { [web]: { auth: Buffer.from(`${login.username}:${login.password}`).toString('base64') } };
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login' },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
  };
  const list = { apiVersion: 'v1', kind: 'List', items: [secret, ...items] };
  await writeFile(join(folder, 'pods.json'), JSON.stringify(list));
  await succeed('kubectl', '--', 'apply', '--filename', join(folder, 'pods.json'));
  const all = Object.keys(pods).filter((pod) => !['slow', 'refused', 'unknown'].includes(pod));
  const wait = ['wait', '--for=condition=Ready', '--timeout=90s', ...all.map((pod) => `pod/${pod}`)];
  await succeed('kubectl', '--', ...wait);
}

/** A config with the registries of this test. */
async function registriesConfig(): Promise<string> {
  await writeFile(join(folder, 'login'), `${login.username}:${login.password}\n`);
  const file = join(folder, 'registries.yaml');
  await writeFile(
    file,
    `registries:
  ${webName}: { ca: pki/ca.crt, credentials: login }
  ${web}: { ca: pki/ca.crt }
  slow.example: { mirrors: "http://${web}", upstream: false }
  mirrored.example: { mirrors: "https://${webName}", upstream: false }
  localhost:5000: { mirrors: "http://host.k8s-single.internal:5000" }
`,
  );
  return file;
}

it('images are pulled through pasta, pods reach other machines and never a closed range, pasta ends with the node', async () => {
  await up(withPasta, '--config', await registriesConfig());
  await succeed('image load', join(folder, 'image.tar'));
  await startPods();
  for (const pod of ['usual', 'default', 'host']) {
    const { all } = await inPod(pod, `${fetchAll([web, ...closed])}; busybox nslookup -type=a ${webName}`);
    expect(all, pod).toContain(`this is ${web}`);
    expect(all, pod).toContain(`Address: ${web}`);
    const open = all.split('\n').filter((line) => line.endsWith(' is open'));
    expect(open, pod).toEqual([`${web} is open`]);
  }
  const requests = await outside.requests();
  expect(requests.some((line) => line.startsWith('dns'))).toBe(true);
  const hosts = requests.filter((line) => line.startsWith('http')).map((line) => line.split(' ')[1]);
  expect(new Set(hosts)).toEqual(new Set([web]));

  await expectPulls();
  await expectImageCommands();
  await expectNoSecrets();

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

async function expectPulls(): Promise<void> {
  // Of all connections to the registry only those by the name go through the proxy, and no other component has one.
  const proxied = (await outside.requests()).filter((line) => line.startsWith('proxy'));
  expect(new Set(proxied)).toEqual(new Set([`proxy ${webName}:443`]));
  const owners: string[] = [];
  for (const { pid, command: line } of (await processTable()).values()) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`HTTPS_PROXY=${proxy.HTTPS_PROXY}`)) owners.push(line.split(' ')[0]!);
  }
  expect(owners.some((program) => program.endsWith('/containerd'))).toBe(true);
  expect(owners.filter((program) => /etcd$|kube|pasta|coredns/.test(program))).toEqual([]);

  // None of them waited for an image that is still being pulled.
  const ofSlow = ['get', 'events', '--field-selector', 'involvedObject.name=slow', '--output'];
  const reasons = await succeed('kubectl', '--', ...ofSlow, 'jsonpath={.items[*].reason}');
  expect(reasons.split(' ')).toContain('Pulling');
  expect(reasons).not.toMatch(/\b(?:Pulled|Failed)\b/);

  // What cannot be pulled is said, although the node is ready.
  const refused = `images: ${web}/team/refused:1 cannot be pulled: ${web} refuses the pull`;
  const unknown = `images: ${webName}/team/none:1 cannot be pulled: there is no image ${webName}/team/none:1`;
  await eventually(async () => {
    const { all, exitCode } = await command('status');
    if (!all.includes(refused) || !all.includes(unknown) || exitCode !== 0) throw new Unhealthy(all);
  });
  const events = await succeed('kubectl', '--', 'get', 'events', '--field-selector', 'reason=Failed');
  expect(events).toMatch(/Failed to pull image .*refused:1.*401 Unauthorized/);
  expect(events).toMatch(/Failed to pull image .*none:1.*not found/);
}

async function expectImageCommands(): Promise<void> {
  const image = `${webName}/team/app:1`;
  expect(await succeed('image pull', image)).toMatch(new RegExp(`pulling ${image}[^]*^${image}$`, 'm'));
  const { exitCode, all } = await command('image pull', `${webName}/team/none:1`);
  expect({ exitCode, all }).toMatchObject({
    exitCode: 6,
    all: expect.stringContaining('there is no image') as string,
  });
  const archive = join(folder, 'saved.tar');
  expect(await succeed('image save', '--output', archive, image)).toContain(archive);
  await succeed('image rm', image);
  expect((await command('image save', '--output', archive, image)).all).toContain(
    `the node has no image ${image}`,
  );
  expect(await succeed('image load', archive)).toContain(image);
}

/** Not in what is made to be given away, nor in a log. */
async function expectNoSecrets(): Promise<void> {
  const report = join(folder, 'report.tar.gz');
  await succeed('report', '--output', report);
  const encoded = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  const where = `tar -xzOf ${report} | cat - ${join(folder, 'data/log')}/*.log`;
  const { all } = await outside.run(['sh', '-c', `${where} | grep -cE '${login.password}|${encoded}'`]);
  expect(all).toBe('0');
}

it('a pasta that fails keeps no node from its start', async () => {
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

it('without a way out, `pasta` is refused before anything starts, and `auto` says why nothing is pulled', async () => {
  const config = join(folder, 'pasta.yaml');
  await writeFile(config, 'network: { egress: pasta }\n');
  await outside.run(['ip', 'route', 'delete', 'default']);
  const dirs = ['--data-dir', join(folder, 'data'), '--bin-dir', withPasta, '--config', config];
  const { exitCode, all } = await command('up', '--detach', ...dirs);
  expect(exitCode, all).toBe(3);
  expect(all).toContain('egress: none: this machine has no default route itself');
  // `auto` says so and goes on.
  expect(await up(withPasta)).toContain('egress: none: this machine has no default route itself');
  expect(await succeed('status')).not.toContain('egress');
  expect(await pastas()).toEqual([]);
  for (const image of [`${web}/team/app:1`, 'other.example/team/app:1']) {
    const pulled = await command('image pull', image);
    expect(pulled.exitCode, pulled.all).toBe(6);
    const why = `${image} cannot be pulled: the node does not reach ${image.split('/')[0]}: it has no egress`;
    expect(pulled.all).toContain(why);
    expect(await succeed('status')).toContain(`images: ${why}`);
  }
});
