import { execa } from 'execa';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logFiles } from '../../src/observe/logs/logFile.ts';
import { main, tempDir } from '../support/cli.ts';

const running = (script: string): string => `{ command: [sh, -c, '${script}; exec sleep 1000'] }`;
const two = `  one: ${running('echo first; echo second; printf last')}\n  other: ${running('echo third')}\n`;

interface UpOptions {
  readonly components?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The config's keys other than `components`, as YAML. */
  readonly settings?: string;
  /** Stop `up` as soon as its output contains this text. */
  readonly stopAt: string;
}

/** Runs `up` in the foreground until its output contains `stopAt`, stops it, and resolves with its output. */
async function upUntil(
  name: string,
  { components = two, args = [], env = {}, settings = '', stopAt }: UpOptions,
) {
  const dir = await tempDir(name);
  const file = join(dir, 'graph.yaml');
  await writeFile(
    file,
    `name: ${name}\ndataDir: ${dir}/data\nkubernetes: false\n${settings}\ncomponents:\n${components}`,
  );
  const child = execa(process.execPath, [main, 'up', '--config', file, ...args], {
    env,
    stdin: 'ignore',
    reject: false,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.includes(stopAt)) child.kill('SIGTERM');
    });
  }
  const { exitCode, stdout, stderr } = await child;
  const logs = join(dir, 'data/log');
  return { exitCode, stdout, stderr, logs, lines: stderr.split('\n').filter((line) => line.includes(' | ')) };
}

describe('logs are forwarded', () => {
  it('as lines with the name of the component, completely', async () => {
    const { exitCode, lines } = await upUntil('forward-plain', { args: ['--forward-logs'], stopAt: 'third' });
    expect(exitCode).toBe(0);
    expect(lines.toSorted()).toEqual(['one   | first', 'one   | last', 'one   | second', 'other | third']);
  });

  it('as JSON Lines among the events', async () => {
    const components = `  one: ${running('echo I0801 12:00:00.123456 1 x.go:1] ready')}\n`;
    const args = ['--forward-logs', '--output', 'json'];
    const { stdout, lines } = await upUntil('forward-json', { components, args, stopAt: '] ready' });
    const messages = stdout.split('\n').map((line) => JSON.parse(line) as { type: string });
    expect(messages.filter(({ type }) => type === 'log')).toEqual([
      {
        component: 'one',
        at: expect.any(Number),
        type: 'log',
        level: 'info',
        text: 'I0801 12:00:00.123456 1 x.go:1] ready',
      },
    ]);
    expect(messages.map(({ type }) => type)).toEqual(expect.arrayContaining(['ready', 'stopped']));
    expect(lines).toEqual([]);
  });

  it.each([
    ['flag', { args: ['--forward-logs', 'other'] }],
    ['environment', { env: { K8S_SINGLE_FORWARD_LOGS: 'other' }, settings: 'logs: { forward: all }' }],
    ['config', { settings: 'logs: { forward: [other] }' }],
  ])('of the components that the %s names', async (source, settings) => {
    const { lines } = await upUntil(`forward-${source}`, { ...settings, stopAt: 'other | third' });
    expect(lines).toEqual(['other | third']);
  });

  it('only on request', async () => {
    expect((await upUntil('forward-not', { stopAt: 'other  ready' })).lines).toEqual([]);
  });

  it('each line once, also of a component that restarts', async () => {
    const components = `  one: { command: [sh, -c, 'echo start $$; sleep 0.1; test -e up || { touch up; exit 1; }; echo up; exec sleep 1000'], workingDir: '\${config.dir}' }\n`;
    const { lines } = await upUntil('forward-again', {
      components,
      args: ['--forward-logs'],
      stopAt: '| up',
    });
    expect(lines).toEqual([
      expect.stringMatching(/^one \| start \d+$/),
      expect.stringMatching(/^one \| start \d+$/),
      'one | up',
    ]);
    expect(new Set(lines).size).toBe(3);
  });

  it('also if they are rotated: each line of the files, in order, and none twice', async () => {
    const line = 'x'.repeat(50);
    // About 3.5 MB in a few seconds: rotated at least twice.
    const flood = `for i in $(seq 60); do seq -f "%.0f ${line}" $((i * 1000 - 999)) $((i * 1000)); sleep 0.08; done; echo done`;
    const components = `  one: { command: [bash, -c, '${flood}; exec sleep 1000'] }\n`;
    const { lines, logs } = await upUntil('forward-rotated', {
      components,
      args: ['--forward-logs'],
      settings: 'logs: { maxMiB: 1, keep: 9 }',
      stopAt: '| done',
    });
    const files = await logFiles(join(logs, 'one.log'));
    expect(files.length).toBeGreaterThan(1);
    // What is written while a log is emptied is lost to its files (see rotation.ts), though perhaps forwarded already. It may begin or
    // end within a line, which is then not whole.
    const isWhole = (text: string): boolean => /^\d+ x{50}$/.test(text);
    // Nor is the notice of a log that was cut because the machine is busy.
    const forwarded = lines
      .map((each) => each.replace('one | ', ''))
      .filter((each) => !each.startsWith('[k8s-single: '));
    const numbers = forwarded.filter(isWhole).map((each) => Number.parseInt(each, 10));
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    const written = (await Promise.all(files.map(async (file) => readFile(file, 'utf8'))))
      .join('')
      .split('\n');
    const seen = new Set(forwarded);
    expect(written.filter((each) => isWhole(each) && !seen.has(each))).toEqual([]);
    expect(forwarded.length - numbers.length).toBeLessThanOrEqual(files.length);
    expect(forwarded.at(-1)).toBe('done');
  });

  it('without blocking the node when nobody reads them', async () => {
    const dir = await tempDir('forward-stuck');
    const file = join(dir, 'graph.yaml');
    const components = `  one: { command: [sh, -c, 'seq 500000; touch up; exec sleep 1000'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/up' } }\n`;
    await writeFile(
      file,
      `name: forward-stuck\ndataDir: ${dir}/data\nkubernetes: false\ncomponents:\n${components}`,
    );
    // The pipe holds 64 KiB, and nobody reads from it.
    const script = `exec 3> >(exec sleep 1000); "$@" > /dev/null 2>&3 & echo $!; wait`;
    const shell = execa(
      'bash',
      ['-c', script, 'bash', process.execPath, main, 'up', '--config', file, '--forward-logs'],
      {
        reject: false,
        buffer: false,
        stdin: 'ignore',
      },
    );
    const run = async (...args: string[]) =>
      execa(process.execPath, [main, ...args, '--name', 'forward-stuck'], { reject: false });
    try {
      expect((await run('status', '--wait', '--timeout', '20s')).exitCode).toBe(0);
      expect((await run('down')).exitCode).toBe(0);
    } finally {
      shell.kill();
    }
  });

  it.each([
    [['--forward-logs', 'oen'], 'there is no component "oen"; did you mean "one"?'],
    [['--forward-logs', '--output', 'pretty'], 'draws in place'],
  ])('with %j: reports the error', async (args, message) => {
    const { exitCode, stderr } = await upUntil('forward-wrong', { args, stopAt: 'never printed' });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
