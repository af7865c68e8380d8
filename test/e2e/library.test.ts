import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheDir } from '../../src/lib/paths.ts';
import { Job } from '../support/action.ts';
import { busyboxArchive } from '../support/busybox.ts';
import { cli } from '../support/cli.ts';
import { expectNothingLeft, snapshotHost } from '../support/leftovers.ts';

const project = join(import.meta.dirname, '../..');

let folder = '';
let tarball = '';
let outsider = '';

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/k8s-single-library-');
  outsider = join(folder, 'outsider');
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder];
  tarball = join(folder, (await execa('npm', pack, { cwd: project })).stdout);
  await cp(join(project, 'test/outsider'), outsider, { recursive: true });
  await execa('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], { cwd: outsider });
  // Dependencies of the outsider's tests, in any version.
  await mkdir(join(outsider, 'node_modules/@types'), { recursive: true });
  for (const name of ['vitest', '@types/node'])
    await symlink(join(project, 'node_modules', name), join(outsider, 'node_modules', name));
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

/** Runs a tool of this project in the outsider project. */
async function tool(name: string, ...args: string[]) {
  const env = { IMAGE: join(folder, 'image/image.tar') };
  return execa(join(project, 'node_modules/.bin', name), args, {
    cwd: outsider,
    env,
    all: true,
    reject: false,
  });
}

describe('a project that installs the package', () => {
  it('gets types', async () => {
    const { exitCode, all } = await tool('tsc');
    expect(exitCode, all).toBe(0);
  });

  it('runs nodes in tests of Vitest and node:test concurrently', async () => {
    await mkdir(join(folder, 'image'));
    await busyboxArchive(join(folder, 'image'), 'app:1');
    const before = await snapshotHost();
    const [vitest, nodeTest] = await Promise.all([
      tool('vitest', 'run'),
      execa(process.execPath, ['--test', 'nodeTest.mjs'], { cwd: outsider, all: true, reject: false }),
    ]);
    expect(vitest.exitCode, vitest.all).toBe(0);
    expect(vitest.all).toContain('2 passed');
    expect(nodeTest.exitCode, nodeTest.all).toBe(0);
    const name = /(run-[0-9a-f]{6}) at 1/.exec(nodeTest.all)?.[1] ?? '';
    await expectNothingLeft(before, [name]);
  });

  it('loses its node when it is killed', async () => {
    const before = await snapshotHost();
    const child = execa(process.execPath, ['forgets.mjs'], { cwd: outsider, reject: false });
    const [data] = await once(child.stdout, 'data');
    const name = String(data).trim();
    expect(await cli(['kubectl', '--name', name, '--', 'get', 'nodes'])).toMatchObject({ exitCode: 0 });
    child.kill('SIGKILL');
    await child;
    await expectNothingLeft(before, [name], 60_000);
  });
});

describe('the scripts of the action', () => {
  const name = 'e2e-action';

  it('install the package, start a node, and output its kubeconfig and boot time', async () => {
    await cli(['down', '--name', name, '--purge']);
    const job = await Job.start(folder, { version: `file:${tarball}` });
    job.env['K8S_SINGLE_NAME'] = name;
    try {
      await job.run('Install k8s-single');
      await job.run('Find the cache');
      // As the step after it restores it.
      await mkdir(join(job.temp, 'k8s-single/cache'));
      await symlink(cacheDir(), join(job.temp, 'k8s-single/cache/k8s-single'));
      expect(await job.run('Install the binaries')).toContain('kube-apiserver');
      await job.run('Start the node');
      const kubeconfig = await job.output('kubeconfig');
      expect(await readFile(kubeconfig, 'utf8')).toContain(`current-context: k8s-single-${name}`);
      expect(job.env['KUBECONFIG']).toBe(kubeconfig);
      expect(await job.output('ready-ms')).toMatch(/^\d{4,6}$/);
      await job.run('Smoke test');
      await job.run('Gather the failure report');
      expect(await readFile(join(job.temp, 'k8s-single/report/log/kubelet.log'), 'utf8')).toContain(
        'kubelet',
      );
    } finally {
      await cli(['down', '--name', name, '--purge']);
    }
  });
});
