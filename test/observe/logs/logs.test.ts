import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogLine } from '../../../src/observe/logs/logLine.ts';
import { logPrinter } from '../../../src/observe/logs/logPrint.ts';
import { readLogs } from '../../../src/observe/logs/logs.ts';
import type { LogOptions } from '../../../src/observe/logs/logs.ts';

let folder: string;
const never = new AbortController().signal;
const everything: LogOptions = { components: [], follow: false, tail: undefined, since: undefined };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8s-single-logs-'));
});

afterEach(() => rm(folder, { recursive: true }));

const zap = (second: number, text: string): string =>
  `${JSON.stringify({ level: 'info', ts: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(), msg: text })}\n`;

async function write(file: string, text: string): Promise<void> {
  await writeFile(join(folder, file), text);
}

async function read(options: Partial<LogOptions> = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const { component, text } of readLogs(folder, { ...everything, ...options }, never)) {
    lines.push(`${component} ${/"msg":"(.*)"/.exec(text)?.[1] ?? text}`);
  }
  return lines;
}

describe('logs', () => {
  it('of all components are merged by time; a line without a time follows the one before it', async () => {
    await write('a.log', zap(1, 'one') + 'goes on\n' + zap(4, 'four'));
    await write('b.log', `early\n${zap(2, 'two')}${zap(3, 'three')}last, unfinished`);
    expect(await read()).toEqual([
      'b early',
      'a one',
      'a goes on',
      'b two',
      'b three',
      'b last, unfinished',
      'a four',
    ]);
  });

  it('of one component begin with its rotated files', async () => {
    await write('a.log.10', zap(1, 'one'));
    await write('a.log.2', zap(2, 'two'));
    await write('a.log.1', zap(3, 'three'));
    await write('a.log', zap(4, 'four'));
    await write('a.log.rotating', zap(9, 'not yet'));
    await write('b.log', zap(5, 'five'));
    expect(await read({ components: ['a'] })).toEqual(['a one', 'a two', 'a three', 'a four']);
  });

  it('can be limited to the last lines of each component, across rotated files', async () => {
    await write('a.log.1', zap(1, 'one') + zap(2, 'two'));
    await write('a.log', zap(3, 'three'));
    await write('b.log', zap(4, 'four') + zap(5, 'five') + zap(6, 'six'));
    expect(await read({ tail: 2 })).toEqual(['a two', 'a three', 'b five', 'b six']);
    expect(await read({ tail: 0 })).toEqual([]);
    expect(await read({ tail: 99 })).toHaveLength(6);
  });

  it('can be limited to the end of a long one', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
    await write('a.log', `${lines.join('\n')}\n`);
    expect(await read({ tail: 20_000 })).toEqual(lines.slice(-20_000).map((line) => `a ${line}`));
  });

  it('can begin at a given time', async () => {
    await write('a.log', `${zap(1, 'one')}goes on\n${zap(2, 'two')}goes on\n`);
    expect(await read({ since: Date.UTC(2026, 0, 1, 0, 0, 2) })).toEqual(['a two', 'a goes on']);
  });

  it('may have any content', async () => {
    await write('a.log', `${'x'.repeat(3_000_000)}\n\n\r\nä\n`);
    const lines = await read();
    expect(lines.join('').replaceAll('a ', '')).toBe(`${'x'.repeat(3_000_000)}ä`);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(1_200_000);
  });

  it('are refused for a component without one', async () => {
    await write('a.log', '');
    await expect(read({ components: ['b'] })).rejects.toMatchObject({
      code: 'usage',
      message: '"b" has no log',
      hint: 'components with a log: a',
    });
    folder = join(folder, 'nowhere');
    await expect(read()).rejects.toThrow(`no logs in ${folder}`);
    folder = join(folder, '..');
  });
});

describe('following logs', () => {
  it('continues where the past ended, even if logs are rotated meanwhile', async () => {
    const end = new AbortController();
    await write('a.log', `${zap(1, 'one')}unfini`);
    const lines = readLogs(folder, { ...everything, components: ['a', 'b'], follow: true }, end.signal);
    const next = async (): Promise<string> => {
      const { value } = await lines.next();
      return value === undefined ? 'end' : `${value.component} ${value.text.slice(-20)}`;
    };
    expect(await next()).toContain('"one"');
    const following = next();
    await appendFile(join(folder, 'a.log'), 'shed\nmore\n');
    expect([await following, await next()]).toEqual(['a unfinished', 'a more']);
    const second = next();
    await write('b.log', 'a new one\n');
    expect(await second).toBe('b a new one');
    const third = next();
    await truncate(join(folder, 'a.log'));
    await appendFile(join(folder, 'a.log'), 'anew\n');
    expect(await third).toBe('a anew');
    const last = next();
    end.abort();
    expect(await last).toBe('end');
  });
});

describe('a printed line', () => {
  const colours = (colour: string, text: string): string => `<${colour}>${text}</>`;
  const line = (text: string, level?: LogLine['level']): LogLine => ({
    component: 'ab',
    at: undefined,
    level,
    text,
  });

  it('has its component in front and is coloured by level', () => {
    const print = logPrinter(['abcd', 'ab'], colours);
    expect(print(line('fine', 'info'))).toBe('<magenta>ab   |</> fine');
    expect(print(line('hm', 'warn'))).toBe('<magenta>ab   |</> <yellow>hm</>');
    expect(print(line('dead', 'fatal'))).toBe('<magenta>ab   |</> <red>dead</>');
  });

  it('of a single component has nothing in front', () => {
    expect(logPrinter(['ab'], colours)(line('dead', 'fatal'))).toBe('<red>dead</>');
  });

  it('cannot control the terminal', () => {
    expect(logPrinter(['ab'], (_colour, text) => text)(line('a\u001b[2J\tb\u0007\u009b'))).toBe('a\tb');
  });
});
