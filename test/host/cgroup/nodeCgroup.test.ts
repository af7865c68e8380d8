import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  createNodeCgroup,
  joinNodeCgroup,
  killNodeCgroup,
  nodeCgroup,
  removeNodeCgroup,
} from '../../../src/host/cgroup/nodeCgroup.ts';
import { hierarchies } from '../../../src/host/cgroup/hierarchies.ts';

/** A cgroup with a process in its leaf and one in a pod's cgroup, in every hierarchy. */
async function populated() {
  const name = `test-${randomBytes(4).toString('hex')}`;
  onTestFinished(async () => removeNodeCgroup(name));
  await createNodeCgroup(name);
  const groups = hierarchies().map(({ root }) => join(root, nodeCgroup(name)));
  const processes = [0, 1].map(() => spawn('sleep', ['infinity'], { stdio: 'ignore' }));
  const [component, pod] = processes.map((each) => each.pid!);
  await joinNodeCgroup(name, [component!]);
  for (const group of groups) {
    if (existsSync(join(group, 'cpuset.cpus'))) writeFileSync(join(group, 'cgroup.clone_children'), '1');
    mkdirSync(join(group, 'kubepods/pod'), { recursive: true });
    writeFileSync(join(group, 'kubepods/pod/cgroup.procs'), String(pod));
  }
  return { name, groups, ended: processes.map((each) => once(each, 'exit')), pids: [component!, pod!] };
}

describe('the cgroup of a node', () => {
  test('is in every hierarchy, and so are the processes that joined', async () => {
    const { name, pids } = await populated();
    const paths = readFileSync(`/proc/${pids[0]}/cgroup`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(':')[2]);
    expect(new Set(paths)).toEqual(new Set([`/k8s-single-${name}/supervisor`]));
    expect(paths.length).toBe(hierarchies().length);
  });

  test('is removed with everything in it', async () => {
    const { name, groups, ended } = await populated();
    await removeNodeCgroup(name);
    expect(groups.filter((group) => existsSync(group))).toEqual([]);
    expect((await Promise.all(ended)).map(([, signal]) => signal)).toEqual(['SIGKILL', 'SIGKILL']);
  });

  test('is removed although a pod is frozen', async () => {
    const { name, groups, ended } = await populated();
    for (const group of groups) {
      const file = join(group, 'kubepods/pod/freezer.state');
      if (existsSync(file)) writeFileSync(file, 'FROZEN');
    }
    await removeNodeCgroup(name);
    expect(groups.filter((group) => existsSync(group))).toEqual([]);
    await Promise.all(ended);
  });

  test('returns the killed processes, and none when the cgroup does not exist', async () => {
    const { name, pids } = await populated();
    expect(new Set(await killNodeCgroup(name))).toEqual(new Set(pids));
    expect(await killNodeCgroup('no-such-node')).toEqual([]);
    await removeNodeCgroup('no-such-node');
  });
});
