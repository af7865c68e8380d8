import { closeSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { createNodeCgroup, nodeCgroup, removeNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { interfaceAlias } from '../../src/instance/cleanUp.ts';
import { removeDeadNodes } from '../../src/instance/deadNodes.ts';
import { takeLock } from '../../src/instance/lock.ts';
import { NodeLocks, recordSupervisor } from '../../src/instance/nodeLocks.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from '../support/cli.ts';

let name = '';
let run = '';
beforeEach(() => {
  name = `dead-${randomBytes(4).toString('hex')}`;
  run = nodePaths(name).run;
  onTestFinished(() => rmSync(run, { recursive: true, force: true }));
});

const cgroups = (): string[] =>
  hierarchies()
    .map(({ root }) => join(root, nodeCgroup(name)))
    .filter((path) => existsSync(path));

/** What a node leaves of which every process was killed at once. */
async function dead(): Promise<string> {
  const link = `k8s-${randomBytes(3).toString('hex')}`;
  const lock = await takeLock(run);
  recordSupervisor(run, '/nowhere/data');
  await createNodeCgroup(name);
  onTestFinished(async () => removeNodeCgroup(name));
  await execa('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', `${link}p`]);
  await execa('ip', ['link', 'set', link, 'alias', interfaceAlias(name)]);
  onTestFinished(async () => void (await execa('ip', ['link', 'delete', link], { reject: false })));
  writeFileSync(join(run, 'interface'), link);
  closeSync(lock!);
  return link;
}

test.each([['doctor'], ['down']])(
  'the next %s of another node removes what a killed node has left',
  async (command) => {
    const link = await dead();
    const { stdout, stderr } = await cli([command, '--name', 'dead-other']);
    expect([stdout, stderr].join('\n')).toContain(
      `removed what node ${name} has left: all its processes were killed`,
    );
    expect([existsSync(run), existsSync(join('/sys/class/net', link)), cgroups()]).toEqual([
      false,
      false,
      [],
    ]);
  },
);

test('a node that lives, or is being started, is left alone', async () => {
  const locks = new NodeLocks();
  await locks.acquireNode(name, run);
  expect((await removeDeadNodes()).filter((line) => line.includes(name))).toEqual([]);
  recordSupervisor(run, '/data');
  expect((await removeDeadNodes()).filter((line) => line.includes(name))).toEqual([]);
  locks.release();
  closeSync((await takeLock(run))!);
  // Not locked yet.
  expect((await removeDeadNodes()).filter((line) => line.includes(name))).toEqual([]);
});
