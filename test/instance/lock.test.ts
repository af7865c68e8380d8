import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { assertNotInUseByOther, lockFile, takeDataLock, takeLock } from '../../src/instance/lock.ts';

describe('the lock of a node', () => {
  let run = '';
  beforeEach(() => {
    run = join(mkdtempSync(join(tmpdir(), 'k8s-single-lock-')), 'node');
    onTestFinished(() => rmSync(join(run, '..'), { recursive: true }));
  });

  test('has one holder at a time', async () => {
    const first = await takeLock(run);
    expect(await takeLock(run)).toBeUndefined();
    closeSync(first!);
    const second = await takeLock(run);
    expect(second).toBeTypeOf('number');
    closeSync(second!);
  });

  test('is held by a child that inherits the descriptor, until it exits', async () => {
    const lock = await takeLock(run);
    const child = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit', lock] });
    closeSync(lock!);
    expect(await takeLock(run)).toBeUndefined();
    child.stdin!.end();
    await once(child, 'exit');
    closeSync((await takeLock(run))!);
  });

  test('is acquired on a new file if the holder removed the old one', async () => {
    const first = await takeLock(run);
    rmSync(run, { recursive: true });
    const second = await takeLock(run);
    expect(second).toBeTypeOf('number');
    expect(existsSync(lockFile(run))).toBe(true);
    for (const lock of [first, second]) closeSync(lock!);
  });
});

describe('the lock of a data folder', () => {
  let data = '';
  beforeEach(() => {
    data = join(mkdtempSync(join(tmpdir(), 'k8s-single-lock-')), 'data');
    onTestFinished(() => rmSync(join(data, '..'), { recursive: true }));
  });

  test('names its holder, and can be acquired once that has exited', async () => {
    const first = await takeDataLock(data, 'one');
    const refusal = {
      code: 'preflight',
      message: `the data folder ${data} is in use by node one on ${hostname()}`,
    };
    await expect(takeDataLock(data, 'two')).rejects.toMatchObject(refusal);
    await expect(assertNotInUseByOther(data, 'two')).rejects.toMatchObject(refusal);
    await assertNotInUseByOther(data, 'one');
    closeSync(first);
    await assertNotInUseByOther(data, 'two');
    closeSync(await takeDataLock(data, 'two'));
  });

  test('on a disk that has become read-only is told from that of another node', async () => {
    const lock = await takeDataLock(data, 'one');
    execFileSync('mount', ['--no-mtab', '--bind', '-o', 'ro', data, data]);
    onTestFinished(() => void execFileSync('umount', ['--no-mtab', data]));
    await assertNotInUseByOther(data, 'one');
    await expect(assertNotInUseByOther(data, 'two')).rejects.toThrow('is in use by node one');
    closeSync(lock);
    await assertNotInUseByOther(data, 'two');
  });

  test('is not in use if it does not exist, and is not created', async () => {
    await assertNotInUseByOther(data, 'two');
    expect(existsSync(data)).toBe(false);
  });
});
