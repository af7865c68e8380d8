import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import type { Command } from '../../src/engine/component.ts';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import type { Binaries } from '../../src/install/install.ts';
import { differencesOf } from '../../src/kubernetes/components/differences.ts';
import { knownFlags } from '../../src/kubernetes/components/flags.ts';
import { clusterFactsOf } from '../../src/kubernetes/join/cluster.ts';
import { kubernetesNode, kubernetesWorker } from '../../src/kubernetes/node.ts';
import { factsOf, unknownHost } from '../../src/supervisor/nodeFacts.ts';
import { tempDir } from '../support/cli.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { minors, recorded, recordedComponents } from '../support/recorded.ts';

/** The versions of the programs of one node. */
interface Versions {
  readonly kubernetes: string;
  readonly etcd: string;
  readonly containerd: string;
}

const newest = { kubernetes: '1.37.1', etcd: '3.7.1', containerd: '2.4.0' };

/** Configs and hosts that give other command lines than the default. */
const variants: readonly { readonly name: string; readonly config?: string; readonly host?: object }[] = [
  { name: 'the default' },
  { name: 'without fsync and with another pause image', config: 'etcd: { fsync: false }\npauseImage: p:1' },
  { name: 'without kube-proxy', config: 'features: { kubeProxy: false }' },
  {
    name: 'a container or --host, with little allowed',
    host: { snapshotter: 'native', canLowerOomScore: false, areNetworkSettingsWritable: false },
  },
];

/** The kubelets and the cache of what they list, for all tests: each is asked once. */
let shared = '';
beforeAll(async () => {
  shared = await mkdtemp('/var/tmp/k8s-single-versions-');
});
afterAll(async () => rm(shared, { recursive: true }));
beforeEach(() => {
  vi.stubEnv('XDG_CACHE_HOME', shared);
});
afterEach(() => vi.unstubAllEnvs());

/** A kubelet whose help lists the flags of this minor version. */
async function kubeletOf(minor: string): Promise<string> {
  const file = join(shared, `kubelet-${minor}`);
  if (existsSync(file)) return file;
  const help = [...recorded('kubelet', minor)].map((flag) => `      --${flag} string   text`).join('\n');
  await writeFile(file, `#!/bin/sh\ncat <<'END'\nFlags:\n${help}\nEND\n`);
  await chmod(file, 0o755);
  return file;
}

interface Built {
  /** The commands by the names of their programs. */
  readonly commands: ReadonlyMap<string, Command>;
  /** A config file that a command has written, by the end of its path. */
  readonly written: (end: string) => string;
}

/** The commands of a node of these versions; nothing is started but the kubelet's `--help`. */
async function build(versions: Versions, variant: (typeof variants)[number] = variants[0]!): Promise<Built> {
  const folder = await tempDir('versions');
  const minor = versions.kubernetes.split('.').slice(0, 2).join('.');
  const kubelet = await kubeletOf(minor);
  const { node } = parseConfig(`dataDir: ${join(folder, 'data')}\n${variant.config ?? ''}`, 'c.yaml');
  const files = nodeBinaries.map(({ name }) => [name, name === 'kubelet' ? kubelet : `/bin/${name}`]);
  const programVersions = nodeBinaries.map(({ name }) => [
    name,
    name === 'etcd' || name === 'containerd' ? versions[name] : versions.kubernetes,
  ]);
  const binaries = {
    files: Object.fromEntries(files),
    versions: Object.fromEntries(programVersions),
    searchPath: '/bin',
  } as unknown as Binaries;
  const facts = factsOf(node, binaries, {
    ...unknownHost,
    isReachable: true,
    ip: '172.30.7.2',
    ...variant.host,
  });
  const commands = new Map<string, Command>();
  const { joining } = facts;
  const all = joining === undefined ? kubernetesNode(facts) : kubernetesWorker(facts, joining);
  for (const component of all) {
    if (component.kind !== 'service') continue;
    const command = typeof component.command === 'function' ? await component.command() : component.command;
    commands.set(basename(command.file).replace(/-1\.\d+$/, ''), command);
  }
  return { commands, written: (end) => readFileSync(join(folder, 'data', end), 'utf8') };
}

function flagsOf({ args }: Command): string[] {
  return args.map((arg) => /^--([^=]+)=/.exec(arg)?.[1] ?? arg);
}

function unknownOf(command: Command, known: ReadonlySet<string>): string[] {
  return flagsOf(command).filter((flag) => !known.has(flag));
}

describe.each(variants)('$name', (variant) => {
  it.each(minors)('a node of 1.%i gives no component a flag that it does not know', async (minor) => {
    const versions = { ...newest, kubernetes: `1.${minor}.0` };
    const { commands, written } = await build(versions, variant);
    const unknown = recordedComponents
      .filter((name) => name !== 'etcd' && commands.has(name))
      .map((name) => [name, unknownOf(commands.get(name)!, recorded(name, `1.${minor}`))]);
    expect(Object.fromEntries(unknown)).toEqual(Object.fromEntries(unknown.map(([name]) => [name, []])));
    const fields = Object.keys(JSON.parse(written('kubelet/config.json')) as object);
    const known = recorded('kubelet-configuration', `1.${minor}`);
    expect(fields.filter((field) => !known.has(field))).toEqual([]);
  });

  it.each(['3.4.10', '3.4.23', '3.4.45', '3.5.0', '3.5.33', '3.6.14', '3.7.1'])(
    'etcd %s gets no flag that it does not know',
    async (etcd) => {
      const { commands } = await build({ ...newest, etcd }, variant);
      const known = recorded('etcd', etcd.split('.').slice(0, 2).join('.'));
      expect(unknownOf(commands.get('etcd')!, known)).toEqual([]);
    },
  );
});

it.each(minors)('a worker of 1.%i gives no component a flag that it does not know', async (minor) => {
  const cluster = clusterFactsOf(parseConfig('', 'c.yaml').node, `1.${minor}.0`);
  const joining = { server: 'https://192.0.2.10:6443', ca: 'PEM', cluster };
  const versions = { ...newest, kubernetes: `1.${minor}.0` };
  const { commands, written } = await build(versions, { name: 'a worker', host: { joining } });
  expect([...commands.keys()].toSorted()).toEqual(['containerd', 'kube-proxy', 'kubelet', 'node']);
  for (const name of ['kubelet', 'kube-proxy'] as const)
    expect(unknownOf(commands.get(name)!, recorded(name, `1.${minor}`))).toEqual([]);
  expect(flagsOf(commands.get('kubelet')!)).toContain('bootstrap-kubeconfig');
  const known = recorded('kubelet-configuration', `1.${minor}`);
  const fields = Object.keys(JSON.parse(written('kubelet/config.json')) as object);
  expect(fields.filter((field) => !known.has(field))).toEqual([]);
  expect(fields).toEqual(expect.arrayContaining(['rotateCertificates', 'serverTLSBootstrap']));
});

it('a flag that a version does not know is found', async () => {
  const { commands } = await build({ ...newest, kubernetes: '1.26.0' });
  expect(unknownOf(commands.get('kubelet')!, recorded('kubelet', '1.27'))).toEqual(['container-runtime']);
  const etcd = (await build({ ...newest, etcd: '3.5.33' })).commands.get('etcd')!;
  expect(unknownOf(etcd, recorded('etcd', '3.7'))).toEqual([
    'experimental-initial-corrupt-check',
    'experimental-watch-progress-notify-interval',
  ]);
});

describe('what a binary lists in its help is recorded for its version', () => {
  it.each(recordedComponents)('%s', async (name) => {
    vi.unstubAllEnvs();
    const file = (await testBinaries(name))[name];
    const { stdout } = await execa(file, ['--version']);
    const minor = /(?:Kubernetes v|etcd Version: )(\d\.\d+)\./.exec(stdout)![1]!;
    const listed = await knownFlags(file, await tempDir('known-flags'));
    expect([...listed].filter((flag) => !recorded(name, minor).has(flag))).toEqual([]);
    expect(listed.size).toBeGreaterThan(40);
  });
});

describe('what the versions are told', () => {
  it.each(minors)('1.%i: kube-proxy has its mode, the API server its issuer and keys', async (minor) => {
    const { commands } = await build({ ...newest, kubernetes: `1.${minor}.0` });
    expect(commands.get('kube-proxy')!.args).toContain('--proxy-mode=iptables');
    expect(flagsOf(commands.get('kube-apiserver')!)).toEqual(
      expect.arrayContaining([
        'service-account-issuer',
        'service-account-key-file',
        'service-account-signing-key-file',
      ]),
    );
  });

  it.each([
    [20, 10252, 10251],
    [21, 10252, 10251],
    [22, 10257, 10259],
    [37, 10257, 10259],
  ])('1.%i: the controllers answer on %i and %i', async (minor, controllerManager, scheduler) => {
    const { kubernetes } = differencesOf({ ...newest, kubernetes: `1.${minor}.5` });
    const { controllerManagerPort, schedulerPort, tls } = kubernetes.controllers;
    expect([controllerManagerPort, schedulerPort, tls]).toEqual([controllerManager, scheduler, minor >= 22]);
  });

  it.each([
    [20, ['remote', 'flag', 'flag']],
    [26, ['remote', 'flag', 'flag']],
    [27, [undefined, 'config', 'flag']],
    [34, [undefined, 'config', 'flag']],
    [35, [undefined, 'config', undefined]],
    [37, [undefined, 'config', undefined]],
  ] as const)(
    '1.%i: the kubelet learns runtime, endpoint and pause image by %j',
    async (minor, [runtime, by, pause]) => {
      const { commands, written } = await build({ ...newest, kubernetes: `1.${minor}.0` });
      const { args } = commands.get('kubelet')!;
      const config = JSON.parse(written('kubelet/config.json')) as Record<string, unknown>;
      const value = (flag: string): string | undefined =>
        args.find((arg) => arg.startsWith(`--${flag}=`))?.split('=')[1];
      const endpoint = /^unix:\/\/\/.+\.sock$/;
      expect(value('container-runtime')).toBe(runtime);
      if (by === 'flag') expect(value('container-runtime-endpoint')).toMatch(endpoint);
      else expect(config['containerRuntimeEndpoint']).toMatch(endpoint);
      expect('containerRuntimeEndpoint' in config).toBe(by === 'config');
      expect(value('pod-infra-container-image')).toBe(pause && 'k8s-single.local/pause:1');
    },
  );

  it.each([
    [20, { nodeStatusUpdateFrequency: '1s', nodeStatusReportFrequency: '5m' }],
    [25, { nodeStatusUpdateFrequency: '1s', nodeStatusReportFrequency: '5m', enableProfilingHandler: false }],
    [26, { enableProfilingHandler: false }],
    [30, { enableProfilingHandler: false }],
    [31, { enableProfilingHandler: false, failCgroupV1: false }],
    [37, { enableProfilingHandler: false, failCgroupV1: false }],
  ])('1.%i: the kubelet has the fields %j', (minor, fields) => {
    const { kubernetes } = differencesOf({ ...newest, kubernetes: `v1.${minor}.0` });
    expect(kubernetes.kubeletConfiguration).toEqual(fields);
  });

  it.each([
    [20, 'tokenSecret', 'healthz'],
    [21, 'rootCa', 'healthz'],
    [30, 'rootCa', 'healthz'],
    [31, 'rootCa', 'readyz'],
  ])('1.%i: pods need %s, and the scheduler has %s', (minor, podsNeed, ready) => {
    const { kubernetes } = differencesOf({ ...newest, kubernetes: `1.${minor}.0` });
    expect(kubernetes).toMatchObject({ podsNeed, schedulerHealth: { ready } });
  });

  it.each([
    ['3.4.10', [], []],
    ['3.4.15', ['experimental-watch-progress-notify-interval'], []],
    ['3.4.16', ['experimental-watch-progress-notify-interval'], ['unsafe-no-fsync']],
    ['3.5.0', ['experimental-watch-progress-notify-interval'], ['unsafe-no-fsync']],
    ['3.6.0', ['watch-progress-notify-interval'], ['unsafe-no-fsync']],
    ['3.7.1', ['watch-progress-notify-interval'], ['unsafe-no-fsync']],
  ])('etcd %s: %j, and without fsync %j', (version, watchProgress, noFsync) => {
    const { etcd } = differencesOf({ ...newest, etcd: version });
    expect([Object.keys(etcd.watchProgress), Object.keys(etcd.noFsync)]).toEqual([watchProgress, noFsync]);
  });

  it.each([
    ['3.4.10', { 'experimental-initial-corrupt-check': true }],
    ['3.5.33', { 'experimental-initial-corrupt-check': true }],
    ['3.6.0', { 'feature-gates': 'InitialCorruptCheck=true' }],
    ['3.7.1', { 'feature-gates': 'InitialCorruptCheck=true' }],
  ])('etcd %s checks its data by %j', (version, corruptCheck) => {
    expect(differencesOf({ ...newest, etcd: version }).etcd.corruptCheck).toEqual(corruptCheck);
  });

  it('an unknown version is taken for the newest', () => {
    const unknown = differencesOf({ kubernetes: '', etcd: '', containerd: '' });
    expect(unknown).toEqual(differencesOf(newest));
  });
});

describe("containerd's config file", () => {
  it.each([
    ['1.4.13', 2, 'bin_dir = "/bin/cni"'],
    ['1.6.20~ds1', 2, 'bin_dir = "/bin/cni"'],
    ['1.7.34', 2, 'bin_dir = "/bin/cni"'],
    ['2.0.11', 3, 'bin_dir = "/bin/cni"'],
    ['2.1.9', 3, 'bin_dirs = ["/bin/cni"]'],
    ['2.4.0', 3, 'bin_dirs = ["/bin/cni"]'],
  ])('of %s has version %i, and the folder of the plugins as %s', async (containerd, version, binDir) => {
    const { written } = await build({ ...newest, containerd });
    const lines = written('containerd/config.toml')
      .split('\n')
      .map((line) => line.trim());
    const image = 'k8s-single.local/pause:1';
    expect(lines).toContain(`version = ${version}`);
    expect(lines).toContain(binDir);
    expect(lines).toContain(version === 2 ? `sandbox_image = "${image}"` : `sandbox = "${image}"`);
    const plugins = lines.filter((line) => line.startsWith('[plugins.'));
    const [one, two] = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.'];
    expect(plugins.every((line) => line.includes(version === 2 ? one : two))).toBe(true);
  });

  const registries = (dir: string): string => `
registries:
  docker.io: { mirrors: ["https://m.example/hub", "https://m.example/v2/hub"], credentials: ${dir}/login }
  m.example: { ca: /ca.pem, cert: /c.pem, key: /k.pem }
  r.example: { skipVerify: true }
  localhost:5000: { mirrors: ["http://host.k8s-single.internal:5000"] }
  "*": { mirrors: ["https://all.example"] }
`;

  it.each([
    ['1.5.18', 'io.containerd.grpc.v1.cri'],
    ['1.6.20~ds1', 'io.containerd.grpc.v1.cri'],
    ['2.3.4', 'io.containerd.cri.v1.images'],
  ])('of %s names a folder with a hosts.toml for each registry', async (containerd, plugin) => {
    const dir = await tempDir('login');
    await writeFile(join(dir, 'login'), 'me:pass"word\n');
    const config = registries(dir);
    const { written } = await build({ ...newest, containerd }, { name: 'registries', config });
    const text = written('containerd/config.toml');
    expect(text).toContain(`[plugins."${plugin}".registry]\n  config_path = "/`);
    const auth = `[plugins."${plugin}".registry.configs."registry-1.docker.io".auth]`;
    expect(text).toContain(`${auth}\n  username = "me"\n  password = "pass\\"word"\n`);
    const inMirror = '  ca = "/ca.pem"\n  client = [["/c.pem", "/k.pem"]]';
    const may = '  capabilities = ["pull", "resolve"]';
    expect(written('containerd/hosts/docker.io/hosts.toml')).toBe(`server = "https://registry-1.docker.io"
capabilities = ["push"]
[host."https://m.example/hub"]
${may}
${inMirror}
[host."https://m.example/v2/hub"]
${may}
${inMirror}
  override_path = true
[host."https://registry-1.docker.io"]
${may}
`);
    expect(written('containerd/hosts/r.example/hosts.toml')).toBe(`server = "https://r.example"
capabilities = ["push"]
[host."https://r.example"]
${may}
  skip_verify = true
`);
    expect(written('containerd/hosts/localhost:5000/hosts.toml')).toBe(`server = "http://localhost:5000"
capabilities = ["push"]
[host."http://host.k8s-single.internal:5000"]
${may}
`);
    expect(written('containerd/hosts/_default/hosts.toml')).toBe(`[host."https://all.example"]\n${may}\n`);
  });

  it('of 1.4 has the registries in itself', async () => {
    const dir = await tempDir('login');
    await writeFile(join(dir, 'login'), 'me:password\n');
    const { written } = await build(
      { ...newest, containerd: '1.4.13' },
      { name: 'registries', config: registries(dir) },
    );
    const table = '[plugins."io.containerd.grpc.v1.cri".registry';
    const text = written('containerd/config.toml');
    expect(text.slice(text.indexOf(table))).toBe(`${table}]
${table}.mirrors."docker.io"]
  endpoint = ["https://m.example/hub/v2", "https://m.example/v2/hub"]
${table}.mirrors."localhost:5000"]
  endpoint = ["http://host.k8s-single.internal:5000"]
${table}.mirrors."*"]
  endpoint = ["https://all.example"]
${table}.configs."m.example".tls]
  ca_file = "/ca.pem"
  cert_file = "/c.pem"
  key_file = "/k.pem"
${table}.configs."r.example".tls]
  insecure_skip_verify = true
${table}.configs."registry-1.docker.io".auth]
  username = "me"
  password = "password"
`);
    expect(() => written('containerd/hosts/docker.io/hosts.toml')).toThrow('ENOENT');
  });

  it('is understood by the real containerd', async () => {
    vi.unstubAllEnvs();
    const { containerd } = await testBinaries('containerd');
    const { stdout: text } = await execa(containerd, ['--version']);
    const version = / v?(\d+\.\d+\.\d+)/.exec(text)![1]!;
    const { written } = await build({ ...newest, containerd: version }, variants.at(-1));
    const file = join(await tempDir('containerd'), 'config.toml');
    await writeFile(file, written('containerd/config.toml'));
    const { stdout } = await execa(containerd, ['--config', file, 'config', 'dump']);
    for (const set of [
      /sandbox(?:_image)? = ["']k8s-single\.local\/pause:1["']/,
      /bin_dirs? = \[?["']\/bin\/cni["']/,
      /snapshotter = ["']native["']/,
      /restrict_oom_score_adj = true/,
      /netns_mounts_under_state_dir = true/,
      /config_path = ["']\/.*\/containerd\/hosts["']/,
    ])
      expect(stdout).toMatch(set);
  });
});
