import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { graph } from '../support/graph.ts';
import type { Graph } from '../support/graph.ts';

const chain = `
  first: { task: true, command: [sh, -c, 'read x < gate'], workingDir: '\${config.dir}' }
  second: { command: [sleep, '1000'], needs: [first] }
  aside: { command: [sleep, '1001'] }
`;

/** Brings the chain up. It cannot be ready before the gate is open. */
async function booted(name: string): Promise<Graph> {
  const g = await graph(name, chain.replace('read x < gate', 'mkfifo gate; read x < gate'));
  await expect
    .poll(async () => (await execa('sh', ['-c', `test -p ${g.dir}/gate`], { reject: false })).exitCode, {
      timeout: 20_000,
    })
    .toBe(0);
  const early = await g.run('timeline');
  expect([early.code, early.stdout]).toEqual([0, expect.stringContaining('not ready after')]);
  await execa('sh', ['-c', `echo > ${g.dir}/gate`]);
  return g.ready();
}

describe('the timeline', () => {
  it('shows the boot while it runs, when it is ready, and when the node is down', async () => {
    const g = await booted('timeline-up');
    const up = await g.run('timeline');
    expect(up.code).toBe(0);
    expect(up.stdout).toMatch(/^first .*█.*\nsecond +·.*\naside .*─/);
    expect(up.stdout).toMatch(/\nready in [\d.]+ s\ncritical path, in s: first [\d.]+/);
    // Later events are not part of the boot.
    await g.run('restart', 'aside');
    expect((await g.run('timeline')).stdout).toBe(up.stdout);
    await g.down();
    expect((await g.runOnData('timeline')).stdout).toBe(up.stdout);
    expect(await g.run('timeline')).toMatchObject({ code: 4, stderr: expect.stringContaining('--data-dir') });
  });

  it('can be a self-contained SVG or a trace', async () => {
    const g = await booted('timeline-forms');
    const { stdout: svg } = await g.run('timeline', '--output', 'svg');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^]*<\/svg>$/);
    expect(svg).not.toMatch(/<script|href|url\(/);
    const { traceEvents } = JSON.parse((await g.run('timeline', '--output', 'trace')).stdout) as {
      traceEvents: { ph: string; cat?: string; name: string; dur?: number }[];
    };
    expect(traceEvents.find(({ cat, name }) => cat === 'first' && name === 'starting')?.dur).toBeGreaterThan(
      0,
    );
  });

  it('shows a boot that failed, and reports that one was killed', async () => {
    const failed = await graph(
      'timeline-failed',
      `  a: { command: ['false'], ready: { file: /nowhere }, restart: { when: never } }\n  b: { command: [sleep, '9'], needs: [a] }\n`,
    );
    await failed.exited();
    const { code, stdout } = await failed.runOnData('timeline');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^a .*✗.*\nb .*·[^]*not ready after/)]);

    const killed = await graph(
      'timeline-killed',
      `  a: { command: [sleep, '1000'], ready: { file: /nowhere } }\n`,
    );
    await expect
      .poll(async () => (await killed.run('status')).stdout, { timeout: 20_000 })
      .toContain('starting');
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited();
    expect(await killed.runOnData('timeline')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('was killed'),
    });
    expect((await killed.runOnData('report', '--output', join(killed.dir, 'r.tgz'))).code).toBe(0);
    expect((await killed.runOnData('down')).code).toBe(0);
  });
});

describe('a failed boot', () => {
  it('shows the stage that blocked, what waits for it, and the command, on the terminal and in failure.json', async () => {
    const g = await graph(
      'failure-report',
      `  base: { command: [sleep, '1000'] }
  bad: { command: [sh, -c, 'seq 30; echo "no such table: users" >&2; exit 7'], needs: [base], restart: { maxFailures: 1, delay: 10ms },
         env: { DB_PASSWORD: geheim-17, MODE: 'it''s on' }, ready: { file: /nowhere } }
  behind: { command: [sleep, '1001'], needs: [bad] }
  further: { command: [sleep, '1002'], needs: [behind] }\n`,
    );
    const { exitCode, stderr } = await g.exited();
    expect(exitCode).toBe(5);
    const { stages } = JSON.parse(await readFile(join(g.dataDir, 'failure.json'), 'utf8')) as {
      stages: { lastLines: string[]; command: string }[];
    };
    expect(stages).toMatchObject([
      {
        component: 'bad',
        state: 'failed',
        restarts: 1,
        reason: 'exited with code 7: no such table: users',
        exit: 'exited with code 7',
        waiting: ['behind', 'further'],
      },
    ]);
    expect(stages[0]!.lastLines).toEqual([
      ...Array.from({ length: 19 }, (_, i) => String(i + 12)),
      'no such table: users',
    ]);
    expect(stages[0]!.command).toBe(
      `DB_PASSWORD='***' MODE='it'\\''s on' sh -c 'seq 30; echo "no such table: users" >&2; exit 7'`,
    );
    expect(stderr).toContain(`    ${stages[0]!.command}`);
    expect(stderr).toContain('waiting   behind, further');
    expect(stderr).not.toContain('geheim');
    const pasted = await execa('sh', ['-c', stages[0]!.command], { reject: false });
    expect(pasted).toMatchObject({ exitCode: 7, stderr: 'no such table: users' });
  });
});
