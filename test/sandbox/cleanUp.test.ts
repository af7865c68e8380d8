import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { sandboxes, startSandbox, newSandbox } from '../support/sandbox.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';
import { descendants } from '../support/processes.ts';

sandboxes();

/** Creates what a node does: a bridge, a pod with a namespace and a cgroup, a mount, an orphan, a folder in /run. */
const nodeScript = `set -e
  ip link add cni0 type bridge
  ip netns add pod
  ip link add in-pod type veth peer name eth1 netns pod
  mkdir -p $DATA/volume
  mount -t tmpfs tmpfs $DATA/volume
  for group in $(find /sys/fs/cgroup -type d -name k8s-single-$NAME); do mkdir -p $group/kubepods/pod; done
  mkdir $RUN/folder
  (setsid sleep infinity > /dev/null 2>&1 &)`;

function busySandbox(sandbox = newSandbox(), env: Record<string, string> = {}) {
  const script = nodeScript
    .replaceAll('$DATA', sandbox.data)
    .replaceAll('$NAME', sandbox.name)
    .replaceAll('$RUN', sandbox.run);
  return { sandbox, ...startSandbox(sandbox, script, 'stay', env) };
}

describe('nothing is left behind', () => {
  test.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'when %s stops it; the process inside receives it once',
    async (signal) => {
      const before = await snapshotHost();
      const { sandbox, outer, received, allOutput } = busySandbox();
      expect(await received('status')).toBe(0);
      outer.kill(signal);
      expect((await outer).exitCode).toBe(0);
      expect((await allOutput()).filter((each) => each.signal !== undefined)).toEqual([{ signal }]);
      expect(await leftoversSince(before, sandbox.name)).toEqual([]);
    },
  );

  test.for([
    { victim: 'the supervisor', pattern: /^\S+node \S+program\.mjs/ },
    { victim: 'the init', pattern: /^sh \S+bin\/init/ },
    { victim: 'the parent of the init', pattern: /^sh -c exec 2>/ },
    { victim: 'the shim', pattern: /^\/bin\/sh -c node=/ },
  ])('when $victim is killed', async ({ pattern }) => {
    const before = await snapshotHost();
    const { sandbox, outer, received } = busySandbox();
    expect(await received('status')).toBe(0);
    const victim = (await descendants(outer.pid!)).find(({ command }) => pattern.test(command));
    process.kill(victim!.pid, 'SIGKILL');
    expect((await outer).exitCode).toBe(128 + 9);
    expect(await leftoversSince(before, sandbox.name)).toEqual([]);
  });

  test('when the launcher is killed; the process inside receives SIGTERM', async () => {
    const before = await snapshotHost();
    const { sandbox, outer, received, allOutput } = busySandbox();
    expect(await received('status')).toBe(0);
    outer.kill('SIGKILL');
    expect((await allOutput()).at(-1)).toEqual({ signal: 'SIGTERM' });
    expect(await leftoversSince(before, sandbox.name)).toEqual([]);
  });

  test.for(['outer', 'entered'] as const)(
    'when SIGTERM arrives right after the output of "%s"',
    async (moment) => {
      const before = await snapshotHost();
      const { sandbox, outer, received, allOutput } = busySandbox();
      await received(moment);
      outer.kill('SIGTERM');
      await outer;
      await allOutput();
      expect(await leftoversSince(before, sandbox.name)).toEqual([]);
    },
  );

  test('when SIGTERM arrives during the set-up', async () => {
    const before = await snapshotHost();
    const { sandbox, outer, reached } = await sandboxWithIp('touch "$reached"; exec sleep infinity');
    await reached();
    outer.kill('SIGTERM');
    expect((await outer).exitCode).toBe(0);
    expect(await leftoversSince(before, sandbox.name)).toEqual([]);
  });

  test('when the set-up fails; the error names the failed command', async () => {
    const before = await snapshotHost();
    const { sandbox, outer, received } = await sandboxWithIp('echo no such thing >&2; exit 2');
    expect(await received('failure')).toBe('ip -json -4 route show table all: no such thing');
    expect((await outer).exitCode).toBe(3);
    expect(await leftoversSince(before, sandbox.name)).toEqual([]);
  });

  test('when a detached node is cleaned up by force', async () => {
    const before = await snapshotHost();
    const { sandbox, outer, received, allOutput } = busySandbox();
    expect(await received('status')).toBe(0);
    outer.stdin.write('detach');
    expect(await once(outer, 'exit')).toEqual([0, null]);
    expect(await leftoversSince(before, sandbox.name)).toContainEqual(expect.stringContaining('program.mjs'));
    await forceCleanUp(sandbox);
    expect((await allOutput()).filter((each) => each.signal !== undefined)).toEqual([]);
    expect(await leftoversSince(before, sandbox.name)).toEqual([]);
  });
});

/** A sandbox whose set-up runs this script in place of ip(8). `reached` waits until the script touches `$reached`. */
async function sandboxWithIp(script: string) {
  const sandbox = newSandbox();
  const bin = join(sandbox.data, 'bin');
  const marker = join(bin, 'reached');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'ip'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'ip'), 0o755);
  const started = busySandbox(sandbox, { PATH: `${bin}:${process.env['PATH']}`, reached: marker });
  const isCalled = async (): Promise<void> => {
    if (!existsSync(marker)) throw new Unhealthy('ip has not been called');
  };
  return { ...started, reached: () => until(isCalled, { timeoutMs: 15_000 }, new AbortController().signal) };
}
