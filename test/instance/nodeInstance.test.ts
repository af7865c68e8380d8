import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, readlinkSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { stopNode } from '../../src/launcher/stopNode.ts';
import { createNodeCgroup, joinNodeCgroup, removeNodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { lockFile, removeRunFolder, takeLock } from '../../src/instance/lock.ts';
import { NodeInstance } from '../../src/instance/nodeInstance.ts';
import { NodeLocks } from '../../src/instance/nodeLocks.ts';
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

describe('an instance of a node', () => {
  test('that has ended is distinct from the next one with its name, which stopNode leaves alone', async () => {
    const first = await takeLock(run);
    using instance = new NodeInstance(run);
    expect(await instance.hasEnded()).toBe(false);
    removeRunFolder(run);
    closeSync(first!);
    const second = await takeLock(run);
    onTestFinished(() => closeSync(second!));
    await createNodeCgroup(name);
    onTestFinished(async () => removeNodeCgroup(name));
    const child = await sleeper();
    await joinNodeCgroup(name, [child.pid!]);

    await stopNode(instance, name, nodePaths(name).controlSocket);
    expect(instance.isOursToCleanUp).toBe(false);
    expect(child.signalCode).toBeNull();
    using next = new NodeInstance(run);
    expect(await next.hasEnded()).toBe(false);
  });

  test('that has ended is cleaned up by exactly one of those that check', async () => {
    closeSync((await takeLock(run))!);
    using instance = new NodeInstance(run);
    using another = new NodeInstance(run);
    expect([await instance.hasEnded(), await another.hasEnded()]).toEqual([true, false]);
    expect([instance.isOursToCleanUp, another.isOursToCleanUp]).toEqual([true, false]);
  });

  test('knows the process that starts it, but not a process that reuses the pid of a dead one', async () => {
    const locks = new NodeLocks();
    await locks.acquireNode(name, run);
    using instance = new NodeInstance(run);
    expect(instance.launcherPid).toBe(process.pid);
    // As left by a killed process whose pid is now that of another one.
    const { pid } = await sleeper();
    rmSync(lockFile(run));
    locks.handOver();
    const next = await takeLock(run);
    onTestFinished(() => closeSync(next!));
    writeSync(next!, `starting ${readlinkSync('/proc/self/ns/pid')} ${pid}\n`);
    using nextInstance = new NodeInstance(run);
    expect(nextInstance.launcherPid).toBeUndefined();
  });
});

describe('a start', () => {
  test('acquires its lock once, prevents another start, and hands the lock over', async () => {
    const locks = new NodeLocks();
    await locks.acquireNode(name, run);
    await locks.acquireNode(name, run);
    await locks.acquireData(name, join(run, 'data'));
    const inherited = [locks.descriptors.node, locks.descriptors.data];
    const child = spawn('sleep', ['infinity'], { stdio: ['ignore', 'ignore', 'ignore', ...inherited] });
    await once(child, 'spawn');
    locks.handOver();
    locks.release();
    expect(existsSync(lockFile(run))).toBe(true);
    await expect(new NodeLocks().acquireNode(name, run)).rejects.toMatchObject({
      code: 'preflight',
      message: `node ${name} is already running`,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  test('that fails leaves nothing', async () => {
    const locks = new NodeLocks();
    await locks.acquireNode(name, run);
    await locks.acquireData(name, join(run, 'data'));
    locks.release();
    expect(existsSync(run)).toBe(false);
  });
});
