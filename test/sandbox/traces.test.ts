import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { forceCleanUp } from '../../src/instance/cleanUp.ts';
import { boxes, enterBox, newBox } from '../support/box.ts';
import { leftoversSince, snapshotHost } from '../support/leftovers.ts';
import { descendants } from '../support/processes.ts';

boxes();

/** What a node does: a bridge, a pod with a namespace and a cgroup, a mount, an orphan, a socket, a file in /run. */
const busy = `set -e
  ip link add cni0 type bridge
  ip netns add pod
  ip link add in-pod type veth peer name eth1 netns pod
  mkdir -p $DATA/volume
  mount -t tmpfs tmpfs $DATA/volume
  for group in $(find /sys/fs/cgroup -type d -name k8s-single-$NAME); do mkdir -p $group/kubepods/pod; done
  mkdir $RUN/folder
  (setsid sleep infinity > /dev/null 2>&1 &)`;

function busyBox(box = newBox(), env: Record<string, string> = {}) {
  const script = busy.replaceAll('$DATA', box.data).replaceAll('$NAME', box.name).replaceAll('$RUN', box.run);
  return { box, ...enterBox(box, script, 'stay', env) };
}

describe('nothing is left behind', () => {
  test.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'when %s stops it, which the inside gets once',
    async (signal) => {
      const before = await snapshotHost();
      const { box, outer, heard, silence } = busyBox();
      expect(await heard('status')).toBe(0);
      outer.kill(signal);
      expect((await outer).exitCode).toBe(0);
      expect((await silence()).filter((each) => each.signal !== undefined)).toEqual([{ signal }]);
      expect(await leftoversSince(before, box.name)).toEqual([]);
    },
  );

  test.for([
    { victim: 'the supervisor', pattern: /^\S+node \S+inner\.mjs/ },
    { victim: 'the init', pattern: /^sh \S+bin\/init/ },
    { victim: 'its parent', pattern: /^sh -c exec 2>/ },
    { victim: 'the keeper', pattern: /^\/bin\/sh -c node=/ },
  ])('when $victim is killed', async ({ pattern }) => {
    const before = await snapshotHost();
    const { box, outer, heard } = busyBox();
    expect(await heard('status')).toBe(0);
    const found = (await descendants(outer.pid!)).find(({ command }) => pattern.test(command));
    process.kill(found!.pid, 'SIGKILL');
    expect((await outer).exitCode).toBe(128 + 9);
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });

  test('when the process outside is killed: the inside gets SIGTERM', async () => {
    const before = await snapshotHost();
    const { box, outer, heard, silence } = busyBox();
    expect(await heard('status')).toBe(0);
    outer.kill('SIGKILL');
    expect((await silence()).at(-1)).toEqual({ signal: 'SIGTERM' });
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });

  test.for(['outer', 'entered'] as const)('when SIGTERM comes as soon as "%s" is said', async (moment) => {
    const before = await snapshotHost();
    const { box, outer, heard, silence } = busyBox();
    await heard(moment);
    outer.kill('SIGTERM');
    await outer;
    await silence();
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });

  test('when SIGTERM comes in the middle of the set-up', async () => {
    const before = await snapshotHost();
    const { box, outer, reached } = await stuckBox('touch "$reached"; exec sleep infinity');
    await reached();
    outer.kill('SIGTERM');
    expect((await outer).exitCode).toBe(0);
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });

  test('when the set-up fails, which says what failed', async () => {
    const before = await snapshotHost();
    const { box, outer, heard } = await stuckBox('echo no such thing >&2; exit 2');
    expect(await heard('failure')).toBe('ip -json -4 route show table all: no such thing');
    expect((await outer).exitCode).toBe(3);
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });

  test('when a detached node is ended by force', async () => {
    const before = await snapshotHost();
    const { box, outer, heard, silence } = busyBox();
    expect(await heard('status')).toBe(0);
    outer.stdin.write('detach');
    expect(await once(outer, 'exit')).toEqual([0, null]);
    expect(await leftoversSince(before, box.name)).toContainEqual(expect.stringContaining('inner.mjs'));
    await forceCleanUp(box);
    expect((await silence()).filter((each) => each.signal !== undefined)).toEqual([]);
    expect(await leftoversSince(before, box.name)).toEqual([]);
  });
});

/** A box in which `ip` is a script of ours. */
async function stuckBox(script: string) {
  const box = newBox();
  const bin = join(box.data, 'bin');
  const marker = join(bin, 'reached');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'ip'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'ip'), 0o755);
  const running = busyBox(box, { PATH: `${bin}:${process.env['PATH']}`, reached: marker });
  const seen = async (): Promise<void> => {
    if (!existsSync(marker)) throw new Unhealthy('ip has not been called');
  };
  return { ...running, reached: () => until(seen, { timeoutMs: 15_000 }, new AbortController().signal) };
}
