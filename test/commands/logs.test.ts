import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cli, main } from '../support/cli.ts';
import { graph } from '../support/graph.ts';

const says = (...lines: string[]): string =>
  `[sh, -c, 'for line in "$@"; do echo "$line"; done; exec sleep 1000', sh, ${lines.map((line) => `'${line}'`).join(', ')}]`;

const two = `
  early: { command: ${says('2020-01-01T00:00:00Z one', '2020-01-01T00:00:02Z three')} }
  late: { command: ${says('2020-01-01T00:00:01Z two', 'and more of it', '2020-01-01T00:00:03Z four')} }
  step: { task: true, ready: { file: '\${config.dir}/graph.yaml' } }
`;
const all = [
  'early | 2020-01-01T00:00:00Z one',
  'late  | 2020-01-01T00:00:01Z two',
  'late  | and more of it',
  'early | 2020-01-01T00:00:02Z three',
  'late  | 2020-01-01T00:00:03Z four',
];

describe('logs', () => {
  it('are interleaved by time, with the component in front', async () => {
    const g = await (await graph('logs-all', two)).ready();
    expect((await g.run('logs', 'early', 'late')).stdout.split('\n')).toEqual(all);
    expect((await g.run('logs', 'early', 'late', '--tail', '1')).stdout.split('\n')).toEqual(all.slice(-2));
    expect((await g.run('logs', 'late')).stdout.split('\n')[0]).toBe('2020-01-01T00:00:01Z two');
    expect((await g.run('logs', '--since', '1m')).stdout).toBe('');
    expect((await g.run('logs', 'late', '--since', '1m', '--tail', '1')).stdout).toBe('');
  });

  it('are available when the node is down', async () => {
    const g = await (await graph('logs-down', two)).ready();
    await g.down();
    const { code, stdout, stderr } = await g.runOnData('logs', 'early', 'late', '-f');
    expect([code, stdout.split('\n')]).toEqual([0, all]);
    expect(stderr).toBe('node logs-down is not running: these are its logs so far');
    const elsewhere = await g.run('logs');
    expect([elsewhere.code, elsewhere.stderr]).toEqual([
      2,
      'k8s-single: no logs in /var/lib/k8s-single/logs-down/log\n  has this node been started?',
    ]);
  });

  it('can be followed until the node goes down, including those that do not exist yet', async () => {
    const g = await graph(
      'logs-follow',
      `  now: { command: ${says('here')} }
  later: { command: ${says('at last')}, needs: [gate] }
  gate: { task: true, ready: { file: '\${config.dir}/open' } }\n`,
    );
    await expect.poll(async () => (await g.run('status')).stdout, { timeout: 20_000 }).toMatch(/now +ready/);
    const child = execa(process.execPath, [main, 'logs', '--name', g.name, '-f'], { reject: false });
    onTestFinished(() => void child.kill());
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/now +\| here/);
    await writeFile(join(g.dir, 'open'), '');
    expect((await lines.next()).value).toMatch(/later +\| at last/);
    await g.down();
    expect((await child).exitCode).toBe(0);
  });

  it('that are not read to the end are no error', async () => {
    const g = await (
      await graph(
        'logs-head',
        `  a: { command: [sh, -c, 'seq 200000; touch up; exec sleep 1000'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/up' } }\n`,
      )
    ).ready();
    const script = `"$@" | head -n 1; echo "\${PIPESTATUS[*]}"`;
    const args = ['-c', script, 'bash', process.execPath, main, 'logs', '--name', g.name];
    expect(await execa('bash', args)).toMatchObject({ stdout: '1\n0 0', stderr: '' });
  });

  it('refuse invalid arguments', async () => {
    const g = await (await graph('logs-wrong', two)).ready();
    const wrong = [
      [['nope'], 'there is no component "nope"'],
      [['step'], '"step" has no log'],
      [['--tail', '-1'], '--tail takes a number of lines, not "-1"'],
      [['--since', '5'], '"5" has no unit'],
    ] as const;
    for (const [args, message] of wrong) {
      const { code, stderr } = await g.run('logs', ...args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
    expect((await cli(['logs', '--name', 'logs-never'])).exitCode).toBe(2);
  });
});
