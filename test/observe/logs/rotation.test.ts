import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cutNotice } from '../../../src/observe/logs/logFile.ts';
import { keepRotated, rotate } from '../../../src/observe/logs/rotation.ts';

let folder: string;
let log: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8s-single-rotate-'));
  log = join(folder, 'a.log');
});

afterEach(() => rm(folder, { recursive: true }));

const contents = async (): Promise<Record<string, string>> => {
  const names = (await readdir(folder)).toSorted();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  );
};

describe('a rotation that was interrupted', () => {
  it.each([
    ['before the log was emptied', 'one\ntwo\n', 'one\n', { 'a.log': 'one\ntwo\n' }],
    ['after that', '', 'one\ntwo\n', { 'a.log': '', 'a.log.1': 'one\ntwo\n' }],
    ['after that, and the log goes on', 'x\n', 'one\ntwo\n', { 'a.log': 'x\n', 'a.log.1': 'one\ntwo\n' }],
  ])('%s loses nothing', async (_when, text, copy, left) => {
    await writeFile(log, text);
    await writeFile(`${log}.rotating`, copy);
    await keepRotated(folder, { maxBytes: 100, keep: 2, onError: (error) => expect.fail(String(error)) })[
      Symbol.asyncDispose
    ]();
    expect(await contents()).toEqual(left);
  });
});

describe('rotation', () => {
  it('ignores short and absent logs', async () => {
    expect(await rotate(log, { maxBytes: 5, keep: 2 })).toBe(false);
    await writeFile(log, '12345');
    expect(await rotate(log, { maxBytes: 5, keep: 2 })).toBe(false);
    expect(await contents()).toEqual({ 'a.log': '12345' });
  });

  it('gives a full disk back, although there is no space for a copy, and says so', async () => {
    const options = ['--no-mtab', '-t', 'tmpfs', '-o', 'size=1m'];
    await execa('mount', [...options, 'k8s-single-rotate', folder]);
    try {
      await writeFile(log, 'x'.repeat(1024 * 1024));
      await expect(rotate(log, { maxBytes: 500, keep: 2 })).rejects.toThrow(
        `${log} is emptied, and its lines are lost: the disk is full`,
      );
      expect(await contents()).toEqual({ 'a.log': '' });
    } finally {
      await execa('umount', ['--no-mtab', folder]);
    }
  });

  it('empties the target of a symlink, and puts the rotated files beside the link', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await writeFile(elsewhere, 'one\n');
    await symlink(elsewhere, log);
    expect(await rotate(log, { maxBytes: 3, keep: 2 })).toBe(true);
    expect(await contents()).toEqual({ 'a.log': '', 'a.log.1': 'one\n', elsewhere: '' });
  });

  it('keeps the given number of files, the newest first', async () => {
    for (const text of ['one\n', 'two\n', 'three\n', 'four\n']) {
      await writeFile(log, text);
      expect(await rotate(log, { maxBytes: 3, keep: 2 })).toBe(true);
    }
    expect(Object.keys(await contents())).toEqual(['a.log', 'a.log.1', 'a.log.2']);
    await writeFile(log, 'five\n');
    expect(await rotate(log, { maxBytes: 3, keep: 0 })).toBe(true);
    expect((await stat(log)).size).toBe(0);
  });

  it('keeps the end of a much too long log, from the beginning of a line, and says so', async () => {
    await writeFile(log, 'first line\nsecond line\nthird line\n');
    await rotate(log, { maxBytes: 15, keep: 1 });
    expect(await contents()).toEqual({ 'a.log': '', 'a.log.1': `${cutNotice(23)}third line\n` });
  });

  it('lets the writer continue, without a hole in the file', async () => {
    const writer = await open(log, 'a', 0o600);
    await writer.write('before\n');
    await rotate(log, { maxBytes: 1, keep: 1 });
    await writer.write('after\n');
    await writer.close();
    expect((await contents())['a.log']).toBe('after\n');
    expect((await stat(`${log}.1`)).mode & 0o777).toBe(0o600);
  });

  it('keeps the limit for a writer of 200 MB, in constant memory', async () => {
    const [maxBytes, keep, total] = [8 << 20, 2, 200 << 20];
    const line = 'x'.repeat(88);
    const script = `const { openSync, writeSync } = require('fs');
      const fd = openSync(process.argv[1], 'a');
      for (let n = 0; n < ${total / 100}; n += 1000) {
        // Output written during a truncation is lost. It must not be the last lines, which the test checks.
        if (n + 1000 >= ${total / 100}) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
        let text = '';
        for (let i = n; i < n + 1000; i += 1) text += String(i).padStart(10) + ' ' + '${line}' + '\\n';
        writeSync(fd, text);
      }`;
    const writer = spawn(process.execPath, ['-e', script, log], { stdio: 'inherit' });
    const closed = once(writer, 'close');
    const before = process.memoryUsage().rss;
    let most = 0;
    while (writer.exitCode === null && writer.signalCode === null) {
      await rotate(log, { maxBytes, keep });
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect((await closed)[0]).toBe(0);
    await rotate(log, { maxBytes, keep });
    expect(most).toBeLessThan(64 << 20);
    const names = await readdir(folder);
    expect(names.toSorted()).toEqual(['a.log', 'a.log.1', 'a.log.2']);
    const kept = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
    expect(kept.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(maxBytes * (1 + 3 * keep));
    const newest = (await contents())['a.log.1']! + (await contents())['a.log']!;
    const numbers = newest
      .trimEnd()
      .split('\n')
      .map((each) => Number(each.slice(0, 10)));
    expect(numbers.at(-1)).toBe(Math.ceil(total / 100 / 1000) * 1000 - 1);
    expect(
      newest
        .trimEnd()
        .split('\n')
        .every((each) => each.endsWith(` ${line}`) || each.startsWith('[k8s-single: ')),
    ).toBe(true);
  });
});

describe('keeping a folder rotated', () => {
  it('rotates each log that is too long and no other file', async () => {
    await writeFile(log, 'long enough\n');
    await writeFile(join(folder, 'b.log'), 'b\n');
    await writeFile(join(folder, 'c.json'), 'not a log at all\n');
    const errors: unknown[] = [];
    await using _rotation = keepRotated(folder, {
      maxBytes: 5,
      keep: 1,
      onError: (error) => errors.push(error),
    });
    await expect.poll(contents, { timeout: 10_000 }).toEqual({
      'a.log': '',
      'a.log.1': `${cutNotice(7)}ough\n`,
      'b.log': 'b\n',
      'c.json': 'not a log at all\n',
    });
    expect(errors).toEqual([]);
  });

  it('reports each error once', async () => {
    const errors: string[] = [];
    const rotation = keepRotated(join(folder, 'nowhere'), {
      maxBytes: 5,
      keep: 1,
      onError: (error) => errors.push(String(error)),
    });
    await expect.poll(() => errors, { timeout: 10_000 }).toHaveLength(1);
    await rotation[Symbol.asyncDispose]();
    expect(errors[0]).toContain('ENOENT');
  });
});
