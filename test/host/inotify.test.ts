import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { configWithoutFile } from '../../src/config/loadConfig.ts';
import { inotifyRemedy } from '../../src/host/inotify.ts';
import { plannedGraph } from '../../src/supervisor/plannedGraph.ts';

const built = join(import.meta.dirname, '../../dist/src/host/inotify.js');

/** Evaluates an expression of the module, as JSON, where a user may have `limit` inotify instances. */
async function withLimit(limit: number, expression: string): Promise<unknown> {
  const script = `
    const inotify = await import(${JSON.stringify(built)});
    const result = (() => { try { return ${expression}; } catch ({ message, hint }) { return { message, hint }; } })();
    console.log(JSON.stringify(result ?? null));`;
  const setUp = `echo ${limit} > /proc/sys/user/max_inotify_instances; exec '${process.execPath}' --input-type=module -e "$SCRIPT"`;
  // The limit is that of a user namespace.
  const { stdout } = await execa('unshare', ['--user', '--map-root-user', 'sh', '-c', setUp], {
    env: { SCRIPT: script },
  });
  return JSON.parse(stdout);
}

test('a start without any inotify instance left is refused, with a remedy', async () => {
  expect(await withLimit(0, 'inotify.assertInotifyLeft()')).toEqual({
    message: 'inotify: no inotify instance of this user is left',
    hint: expect.stringContaining('sysctl -w fs.inotify.max_user_instances=') as string,
  });
  expect(await withLimit(1, 'inotify.assertInotifyLeft()')).toBeNull();
});

test('too few are a problem of doctor, with the process that has most; not where up raises the limit', async () => {
  expect(await withLimit(9, 'inotify.checkInotifyLeft(false)')).toEqual({
    level: 'problem',
    subject: 'inotify',
    message: expect.stringMatching(
      /^\d instances of .* 9 are left, and a node takes 10; pid \d+ \(.+\) has \d+$/,
    ) as string,
    remedy: expect.stringContaining('sysctl -w') as string,
  });
  expect(await withLimit(9, 'inotify.checkInotifyLeft(true)')).toBeNull();
  expect(await withLimit(100_000, 'inotify.checkInotifyLeft(false)')).toBeNull();
});

// As the programs print it: containerd 1.6, kubelet 1.20.
test.each([
  [
    'max_user_instances',
    'containerd runs without its CRI plugin: failed to create CRI service: failed to create cni conf monitor for default: failed to create fsnotify watcher: too many open files',
  ],
  [
    'max_user_instances',
    'exited with code 255: F1128 11:55 kubelet.go:1394] Failed to start cAdvisor inotify_init: too many open files',
  ],
  [
    'max_user_watches',
    'exited with code 255: F1128 11:55 kubelet.go:1394] Failed to start cAdvisor inotify_add_watch /sys/fs/cgroup/cpu: no space left on device',
  ],
  [undefined, 'exited with code 1: listen tcp 127.0.0.1:4001: accept4: too many open files'],
  [undefined, 'exited with code 2: panic: write /d/db: no space left on device'],
])('the remedy raises %s: %s', (sysctl, reason) => {
  const remedy: unknown =
    sysctl === undefined ? undefined : expect.stringContaining(`sysctl -w fs.inotify.${sysctl}=`);
  expect(inotifyRemedy(reason)).toEqual(remedy);
});

test('each program of a node has the remedy when it fails', async () => {
  const services = plannedGraph(await configWithoutFile()).filter((one) => one.kind === 'service');
  expect(services.length).toBeGreaterThan(5);
  for (const { diagnose } of services)
    expect(diagnose?.('exited with code 1: inotify_init: too many open files', [])?.remedy).toContain(
      'sysctl -w fs.inotify.max_user_instances=',
    );
});
