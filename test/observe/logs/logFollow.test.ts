import { appendFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { followLogs } from '../../../src/observe/logs/logFollow.ts';
import { endsOf } from '../../../src/observe/logs/logs.ts';
import { rotate } from '../../../src/observe/logs/rotation.ts';

let folder = '';
let log = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8s-single-follow-'));
  log = join(folder, 'a.log');
  onTestFinished(async () => rm(folder, { recursive: true }));
});

/** Follows the log from its end, or from where that was before; `stop` resolves with all lines. */
async function following(from?: Awaited<ReturnType<typeof endsOf>>) {
  const enough = new AbortController();
  const texts: string[] = [];
  const lines = followLogs(folder, from ?? (await endsOf(folder, ['a'])), enough.signal);
  const ended = (async () => {
    for await (const { text } of lines) texts.push(text);
  })();
  const stop = async (): Promise<readonly string[]> => {
    enough.abort();
    await ended;
    return texts;
  };
  return { texts, stop };
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index}`);

test('every line appears once and in order, however often the log is rotated in the middle of a line', async () => {
  await writeFile(log, 'before\n');
  const { texts, stop } = await following();
  const lines = numbers(40_000);
  for (let first = 0; first < lines.length; first += 500) {
    const batch = `${lines.slice(first, first + 500).join('\n')}\n`;
    appendFileSync(log, batch.slice(0, 3000));
    await rotate(log, { maxBytes: 3000, keep: 3 });
    appendFileSync(log, batch.slice(3000));
    // Read in time: older rotated files are removed.
    if (first % 1000 === 0) await expect.poll(() => texts.length).toBeGreaterThan(first);
  }
  expect(await stop()).toEqual(lines);
});

test('old lines are not repeated after a rotation', async () => {
  await writeFile(log, 'x'.repeat(5000) + '\nbefore\n');
  const { stop } = await following();
  await rotate(log, { maxBytes: 100, keep: 1 });
  appendFileSync(log, 'after\n');
  expect(await stop()).toEqual(['after']);
});

test.each([
  ['nothing', 0, true],
  ['less than is cut away', 100, true],
  ['more than is cut away', 900, false],
  ['all', 1000, false],
])('of a log that is cut when it is rotated, of which %s was read', async (_what, read, isCut) => {
  const lines = numbers(1000);
  const text = (some: readonly string[]): string => some.map((each) => `${each}\n`).join('');
  appendFileSync(log, text(lines.slice(0, read)));
  const end = await endsOf(folder, ['a']);
  appendFileSync(log, text(lines.slice(read)));
  await rotate(log, { maxBytes: 4000, keep: 1 });
  appendFileSync(log, 'after\n');
  const { stop } = await following(end);
  const left = await readFile(`${log}.1`, 'utf8');
  expect(left.split('\n')[0]).toMatch(/^\[k8s-single: \d+ bytes of the log are not kept here/);
  const expected = isCut ? left.trimEnd().split('\n') : lines.slice(read);
  expect(await stop()).toEqual([...expected, 'after']);
});

test('no older line is repeated when a large file was rotated since the end of another one', async () => {
  await writeFile(log, 'before\n');
  await rotate(log, { maxBytes: 1, keep: 3 });
  const end = await endsOf(folder, ['a']);
  // Larger than what is read at once.
  const lines = Array.from({ length: 60_000 }, (_, index) => `${'x'.repeat(100)} ${index}`);
  await writeFile(log, `${lines.join('\n')}\n`);
  await rotate(log, { maxBytes: 5 << 20, keep: 3 });
  const { stop } = await following(end);
  expect(await stop()).toEqual(lines);
});

test('a log that appears later, in pieces, with an unfinished last line', async () => {
  const { texts, stop } = await following();
  appendFileSync(log, 'one');
  appendFileSync(log, ' line\nand ');
  await expect.poll(() => texts).toEqual(['one line']);
  appendFileSync(log, 'the rest');
  expect(await stop()).toEqual(['one line', 'and the rest']);
});

test('a log that is a symlink', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'k8s-single-elsewhere-'));
  onTestFinished(async () => rm(elsewhere, { recursive: true }));
  await symlink(join(elsewhere, 'b.log'), log);
  const { texts, stop } = await following();
  appendFileSync(log, 'one\n');
  await expect.poll(() => texts, { timeout: 5000 }).toEqual(['one']);
  appendFileSync(log, 'two\n');
  await expect.poll(() => texts, { timeout: 5000 }).toEqual(['one', 'two']);
  await stop();
});

test('a log without rotated files starts again', async () => {
  const { texts, stop } = await following();
  appendFileSync(log, `${'x'.repeat(500)}\n`);
  await expect.poll(() => texts.length).toBe(1);
  await rotate(log, { maxBytes: 100, keep: 0 });
  appendFileSync(log, 'after\n');
  expect((await stop()).at(-1)).toBe('after');
});
