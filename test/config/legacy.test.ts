import { join } from 'node:path';
import { dirname, delimiter } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { install } from '../../src/install/install.ts';
import { nodeBinaries } from '../../src/install/find/binaries.ts';
import { cacheDir } from '../../src/lib/paths.ts';
import { runGraph } from './runGraph.ts';
import type { GraphRun } from './runGraph.ts';

const standIns = join(import.meta.dirname, '../fixtures/legacy');
const config = 'config/legacy.yaml';

let etcd = '';
beforeAll(async () => {
  const { files } = await install({
    binDirs: [],
    cacheDir: cacheDir(),
    binaries: nodeBinaries.filter(({ name }) => name === 'etcd'),
  });
  etcd = dirname(files.etcd);
}, 300_000);

function path(...bins: string[]): string {
  return [...bins.map((bin) => join(standIns, bin)), etcd, process.env['PATH']].join(delimiter);
}

function at({ events }: GraphRun, component: string, type: string): number {
  return events.findIndex((event) => event.component === component && event.type === type);
}

const clients = ['kube-controller-manager', 'kube-scheduler', 'kube-proxy'];
const processes = ['etcd', 'docker', 'kube-apiserver', 'kubelet', ...clients];

describe.each([
  ['1.0 to 1.7', ['bin']],
  ['1.8 to 1.19', ['bin-1.8', 'bin']],
])('the seven processes of Kubernetes %s', (_versions, bins) => {
  test('start in order at the first attempt, with a real etcd, and stop in reverse order', async () => {
    const run = await runGraph(config, { PATH: path(...bins) });
    const starts = run.events.filter(({ type }) => type === 'starting');
    expect(starts.map(({ component }) => component).sort()).toEqual([...processes, 'node'].sort());
    expect(run.events.filter(({ type }) => type === 'exited')).toEqual([]);
    expect(at(run, 'kube-apiserver', 'starting')).toBeGreaterThan(at(run, 'etcd', 'ready'));
    expect(at(run, 'kubelet', 'starting')).toBeGreaterThan(at(run, 'docker', 'ready'));
    for (const client of clients)
      expect(at(run, client, 'starting'), client).toBeGreaterThan(at(run, 'kube-apiserver', 'ready'));

    const drawn = await run.cli('graph', '--name', 'legacy');
    expect(drawn).toMatch(/^[○●] etcd +\d+\.\d s\n└─[○●] kube-apiserver +\d+\.\d s$/m);
    expect(drawn).toMatch(/^● ready in \d+\.\d s; critical path, in s: .* → \S+ \d\.\d$/m);

    expect(await run.stop()).toBe(0);
    for (const client of clients)
      expect(at(run, 'kube-apiserver', 'stopping'), client).toBeGreaterThan(at(run, client, 'stopped'));
    expect(at(run, 'etcd', 'stopping')).toBeGreaterThan(at(run, 'kube-apiserver', 'stopped'));
  });
});

test('the kubelet does not wait for the API server: it does not depend on it', async () => {
  const run = await runGraph(config, { PATH: path('bin') });
  const waits = run.events.filter((event) => event.component === 'kubelet' && event.type === 'waiting');
  expect(waits).toEqual([expect.objectContaining({ on: ['docker'] })]);
});

describe('a stand-in', () => {
  test.each([
    ['kube-apiserver', ['--etcd_servers=x', '--secure-prot=1'], 'unknown flag: --secure-prot=1'],
    ['kube-scheduler', [], 'flag missing: --master'],
    ['kube-proxy', ['--master=http://127.0.0.1:3'], 'http://127.0.0.1:3/healthz: ECONNREFUSED'],
    ['docker', ['deamon'], "docker: 'deamon' is not a docker command."],
    ['kubelet', ['--kubeconfig=/k'], 'unknown flag: --kubeconfig=/k'],
    [
      'kube-apiserver',
      [
        '--service-cluster-ip-range=10.0.0.1/24',
        '--insecure-bind-address=0.0.0.0',
        '--etcd-servers=http://127.0.0.1:3',
        '--admission-control=AlwaysAdmit',
      ],
      'http://127.0.0.1:3/v2/keys/registry/ranges/0: ECONNREFUSED',
    ],
  ])('%s %j fails', async (program, args, reason) => {
    const { exitCode, stderr } = await execa(join(standIns, 'bin', program), args, { reject: false });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: reason });
  });
});
