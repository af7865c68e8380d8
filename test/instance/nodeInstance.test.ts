import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, readlinkSync, rmSync, writeSync } from 'node:fs';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { stopNode } from '../../src/launcher/stopNode.ts';
import { createNodeCgroup, joinNodeCgroup, removeNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { giveBack, lockFile, lockNode } from '../../src/instance/lock.ts';
import { NodeInstance } from '../../src/instance/nodeInstance.ts';
import { beginStart, lockToStart, withdrawStart } from '../../src/instance/start.ts';
import { nodePaths } from '../../src/lib/paths.ts';

let name = '';
let run = '';
beforeEach(() => {
  name = `test-${randomBytes(4).toString('hex')}`;
  run = nodePaths(name).run;
  onTestFinished(() => rmSync(run, { recursive: true, force: true }));
});

async function sleeper(): Promise<ReturnType<typeof spawn>> {
  const child = spawn('sleep', ['infinity']);
  await once(child, 'spawn');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return child;
}

describe('a life of a node', () => {
  test('that has ended is none of the next one of its name, which comes to no harm', async () => {
    const first = await lockNode(run);
    using life = new NodeInstance(run);
    expect(await life.hasEnded()).toBe(false);
    giveBack(run, first!);
    const second = await lockNode(run);
    onTestFinished(() => closeSync(second!));
    await createNodeCgroup(name);
    onTestFinished(async () => removeNodeCgroup(name));
    const child = await sleeper();
    await joinNodeCgroup(name, [child.pid!]);

    await stopNode(life, name, nodePaths(name).controlSocket);
    expect(life.isOursToCleanUp).toBe(false);
    expect(child.signalCode).toBeNull();
    using next = new NodeInstance(run);
    expect(await next.hasEnded()).toBe(false);
  });

  test('that nobody lives of any more is for one of those who ask to tidy up', async () => {
    closeSync((await lockNode(run))!);
    using life = new NodeInstance(run);
    using another = new NodeInstance(run);
    expect([await life.hasEnded(), await another.hasEnded()]).toEqual([true, false]);
    expect([life.isOursToCleanUp, another.isOursToCleanUp]).toEqual([true, false]);
  });

  test('ends with the process that is starting it, and no other is taken for that', async () => {
    const lock = await lockToStart(name, run);
    using life = new NodeInstance(run);
    expect(life.launcherPid).toBe(process.pid);
    // Left by one that was killed, whose pid is somebody else's by now.
    const { pid } = await sleeper();
    rmSync(lockFile(run));
    closeSync(lock);
    const next = await lockNode(run);
    onTestFinished(() => closeSync(next!));
    writeSync(next!, `starting ${readlinkSync('/proc/self/ns/pid')} ${pid}\n`);
    using nextLife = new NodeInstance(run);
    expect(nextLife.launcherPid).toBeUndefined();
  });
});

describe('a start', () => {
  test('that has begun hands its lock over, and refuses the next', async () => {
    await beginStart(name, run);
    await beginStart(name, run);
    const lock = await lockToStart(name, run);
    await expect(lockToStart(name, run)).rejects.toMatchObject({
      code: 'preflight',
      message: `node ${name} is already running`,
    });
    withdrawStart();
    expect(existsSync(lockFile(run))).toBe(true);
    giveBack(run, lock);
  });

  test('of which nothing comes leaves nothing', async () => {
    await beginStart(name, run);
    withdrawStart();
    expect(existsSync(run)).toBe(false);
  });
});
