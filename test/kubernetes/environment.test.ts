import { join } from 'node:path';
import { beforeEach, afterEach, describe, expect, it, vi } from 'vitest';
import { toComponents } from '../../src/config/components/toComponents.ts';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import type { Command, Component } from '../../src/engine/component.ts';
import type { Binaries } from '../../src/install/install.ts';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import { kubernetesNode } from '../../src/kubernetes/node.ts';
import { factsOf, unknownHost } from '../../src/supervisor/nodeFacts.ts';
import { tempDir } from '../support/cli.ts';

/** The commands of a node's programs, by component. */
async function commands(config = '', host: { hostIp?: string } = {}): Promise<Map<string, Command>> {
  const parsed = parseConfig(`dataDir: ${join(await tempDir('environment'), 'data')}\n${config}`, 'c.yaml');
  const each = <Value>(value: Value) =>
    Object.fromEntries(nodeBinaries.map(({ name }) => [name, value])) as Record<string, Value>;
  const binaries = { files: each('/bin/true'), versions: each('1.20.2'), searchPath: '/node/bin:/bin' };
  const capabilities = { ...unknownHost, ip: '172.30.7.2', ...host };
  const builtIns = kubernetesNode(factsOf(parsed.node, binaries as unknown as Binaries, capabilities));
  const found = new Map<string, Command>();
  for (const component of toComponents(parsed, builtIns)) {
    const command = commandOf(component);
    if (command !== undefined)
      found.set(component.name, typeof command === 'function' ? await command() : command);
  }
  return found;
}

function commandOf(component: Component) {
  if (component.kind === 'service') return component.command;
  return typeof component.run === 'function' ? undefined : component.run.command;
}

const programs = [
  'etcd',
  'containerd',
  'apiserver',
  'kubelet',
  'controller-manager',
  'scheduler',
  'kube-proxy',
  'dns',
];
/** Each of them changes what a program of the node does. */
const foreign = {
  ETCD_NAME: 'm1',
  ETCD_DATA_DIR: '/srv/etcd',
  GOGC: '1',
  GODEBUG: 'http2debug=2',
  GOMAXPROCS: '1',
  GRPC_GO_LOG_SEVERITY_LEVEL: 'info',
  KUBECONFIG: '/srv/kubeconfig',
  KUBERNETES_SERVICE_HOST: '10.9.9.9',
  NOTIFY_SOCKET: '/run/systemd/notify',
  CONTAINERD_NAMESPACE: 'other',
  TMPDIR: '/srv/none',
  HOME: '/home/user',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'tr_TR.UTF-8',
  HTTPS_PROXY: 'http://127.0.0.1:9',
  no_proxy: 'intranet.example',
};

beforeEach(async () => {
  for (const name of [
    'TZ',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'NO_PROXY',
    'HTTP_PROXY',
    'http_proxy',
    'https_proxy',
  ])
    vi.stubEnv(name, undefined);
  vi.stubEnv('ALL_PROXY', undefined).stubEnv('all_proxy', undefined);
  for (const [name, value] of Object.entries(foreign)) vi.stubEnv(name, value);
  vi.stubEnv('XDG_CACHE_HOME', await tempDir('environment-cache'));
});
afterEach(() => vi.unstubAllEnvs());

const defined = {
  PATH: '/node/bin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  CONTAINERD_SNAPSHOTTER: 'overlayfs',
  AWS_EC2_METADATA_DISABLED: 'true',
};

describe('the programs of a node', () => {
  it('have the same environment, umask and working folder, whatever shell starts them', async () => {
    const found = await commands();
    expect([...found.keys()].toSorted()).toEqual(programs.toSorted());
    for (const [name, command] of found) {
      expect(command, name).toMatchObject({ inheritEnv: false, umask: 0o022, cwd: '/' });
      // A process of ours: see childEnv.ts.
      const own = name === 'dns' ? { K8S_SINGLE_ENV: 'MALLOC_ARENA_MAX', MALLOC_ARENA_MAX: '1' } : {};
      if (name !== 'containerd') expect(command.env, name).toEqual({ ...defined, ...own });
    }
  });

  it('only containerd takes a proxy, and not to the node', async () => {
    const list =
      'intranet.example,localhost,127.0.0.1,127.0.0.0/8,::1,172.30.7.2,10.9.0.0/24,10.8.0.0/24,.svc,.c.example';
    const network = 'network: { podCidr: 10.9.0.0/24, serviceCidr: 10.8.0.0/24, clusterDomain: c.example }';
    expect((await commands(network)).get('containerd')?.env).toEqual({
      ...defined,
      HTTPS_PROXY: 'http://127.0.0.1:9',
      NO_PROXY: list,
      no_proxy: list,
    });
  });

  it('nor to the host, for a node in a sandbox', async () => {
    const env = (await commands('', { hostIp: '172.30.7.1' })).get('containerd')?.env;
    expect(env?.['NO_PROXY']).toMatch(/,172\.30\.7\.2,.*,172\.30\.7\.1,host\.k8s-single\.internal$/);
  });

  it('get the time zone and the CAs of the starter, and what the config gives them', async () => {
    vi.stubEnv('TZ', 'Asia/Tokyo').stubEnv('SSL_CERT_FILE', '/srv/ca.pem');
    const etcd = (await commands('components: { etcd: { env: { GOGC: 50, HOME: /srv } } }')).get('etcd');
    const own = { TZ: 'Asia/Tokyo', SSL_CERT_FILE: '/srv/ca.pem', GOGC: '50', HOME: '/srv' };
    expect(etcd).toMatchObject({ inheritEnv: false, umask: 0o022 });
    expect(etcd?.env).toEqual({ ...defined, ...own });
  });

  it('a component of the user is an ordinary child of its starter', async () => {
    const own = (await commands('components: { mine: { command: [mine], env: { A: 1 } } }')).get('mine');
    expect(own).toEqual({ file: 'mine', args: [], env: { A: '1' } });
  });
});
