import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { assertNotOfAnother, lockData, lockFile, lockNode } from '../../src/instance/lock.ts';

describe('the lock of a node', () => {
  let run = '';
  beforeEach(() => {
    run = join(mkdtempSync(join(tmpdir(), 'k8s-single-lock-')), 'node');
    onTestFinished(() => rmSync(join(run, '..'), { recursive: true }));
  });

  test('is had by one at a time', async () => {
    const first = await lockNode(run);
    expect(await lockNode(run)).toBeUndefined();
    closeSync(first!);
    const second = await lockNode(run);
    expect(second).toBeTypeOf('number');
    closeSync(second!);
  });

  test('is held by a child that has the descriptor, and ends with it', async () => {
    const lock = await lockNode(run);
    const child = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit', lock] });
    closeSync(lock!);
    expect(await lockNode(run)).toBeUndefined();
    child.stdin!.end();
    await once(child, 'exit');
    closeSync((await lockNode(run))!);
  });

  test('is not had on a file that its holder has removed', async () => {
    const first = await lockNode(run);
    rmSync(run, { recursive: true });
    const second = await lockNode(run);
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

  test('says who has it, and is had again when that one has ended', async () => {
    const first = await lockData(data, 'one');
    const refusal = {
      code: 'preflight',
      message: `the data folder ${data} is in use by node one on ${hostname()}`,
    };
    await expect(lockData(data, 'two')).rejects.toMatchObject(refusal);
    await expect(assertNotOfAnother(data, 'two')).rejects.toMatchObject(refusal);
    await assertNotOfAnother(data, 'one');
    closeSync(first);
    await assertNotOfAnother(data, 'two');
    closeSync(await lockData(data, 'two'));
  });

  test('is no matter where there is none', async () => {
    await assertNotOfAnother(data, 'two');
    expect(existsSync(data)).toBe(false);
  });
});
