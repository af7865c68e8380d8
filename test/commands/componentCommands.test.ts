import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';
import { graph } from '../support/graph.ts';

const family = `
  db: { command: [sleep, '1000'] }
  keeps: { command: [sleep, '1001'], needs: [db] }
  restarts: { command: [sleep, '1002'], needs: [{ on: db, whenLost: restart }] }
  stops: { command: [sleep, '1003'], needs: [{ on: db, whenLost: stop }] }
  above: { command: [sleep, '1004'], needs: [restarts] }
  aside: { command: [sleep, '1005'] }
`;

/** The events that a command printed, without the times. */
function eventsIn(stderr: string): string[] {
  return stderr.split('\n').map((line) => line.replace(/^ *[\d.]+ s {2}/, '').replace(/ in [\d.]+ s$/, ''));
}

describe('restart', () => {
  it('returns when the component is ready again; dependents react as their edges say', async () => {
    const g = await (await graph('act-edges', family)).ready();
    const { code, stderr } = await g.run('restart', 'db');
    expect(code).toBe(0);
    expect(await g.states()).toEqual({
      db: 'ready',
      keeps: 'ready',
      restarts: 'ready',
      stops: 'stopped',
      above: 'ready',
      aside: 'ready',
    });
    const events = eventsIn(stderr);
    expect(events.filter((line) => /^(keeps|above|aside)/.test(line))).toEqual([]);
    expect(events.filter((line) => line.startsWith('stops'))).toEqual(['stops  stopping', 'stops  stopped']);
    expect(events.filter((line) => line.startsWith('restarts'))).toEqual([
      'restarts  stopping',
      'restarts  restarting (attempt 2)',
      'restarts  ready',
    ]);
    expect(events.indexOf('db  ready')).toBeLessThan(events.indexOf('restarts  restarting (attempt 2)'));
  });

  it('restarts all dependents with --cascade, in order, and nothing else', async () => {
    const g = await (await graph('act-cascade', family)).ready();
    const { code, stderr } = await g.run('restart', 'restarts', '--cascade');
    expect(code).toBe(0);
    expect(eventsIn(stderr)).toEqual([
      'above  stopping',
      'above  stopped',
      'restarts  stopping',
      'restarts  stopped',
      'restarts  restarting (attempt 2)',
      'restarts  ready',
      'above  restarting (attempt 2)',
      'above  ready',
    ]);
    expect(Object.values(await g.states())).toEqual(Array.from({ length: 6 }, () => 'ready'));
  });

  it('waits for a slow component; on time-out prints the reason', async () => {
    const script = 'trap "rm -f up; exit" TERM; touch started; sleep 1000 & wait';
    const g = await graph(
      'act-slow',
      `  slow: { command: [sh, -c, '${script}'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/up' } }\n`,
    );
    const [started, up] = [join(g.dir, 'started'), join(g.dir, 'up')];
    const makeReady = async (): Promise<void> => {
      await expect.poll(() => existsSync(started), { timeout: 20_000 }).toBe(true);
      await rm(started);
      await writeFile(up, '');
    };
    await makeReady();
    await g.ready();
    const timedOut = await g.run('restart', 'slow', '--timeout', '1s');
    expect(timedOut.code).toBe(4);
    expect(timedOut.stderr).toMatch(/slow is not ready in time: slow starting: .*does not exist/);
    await makeReady();
    await g.ready();
    const restarted = g.run('restart', 'slow');
    await makeReady();
    expect((await restarted).code).toBe(0);
  });

  it('exits 5 when the component is given up', async () => {
    const script =
      'test -e broken && { echo no more; exit 3; }; trap "rm -f up; exit" TERM; touch up; sleep 1000 & wait';
    const g = await graph(
      'act-given-up',
      `  a: { command: [sh, -c, '${script}'], workingDir: '\${config.dir}', ready: { file: '\${config.dir}/up' },
      restart: { when: never, onFailure: keepOthers } }\n`,
    );
    await g.ready();
    await writeFile(join(g.dir, 'broken'), '');
    const { code, stderr } = await g.run('restart', 'a');
    expect(stderr).toContain('k8s-single: a was given up: exited with code 3: no more');
    expect(code).toBe(5);
    expect((await g.run('status')).code).toBe(4);
  });
});

describe('stop and start', () => {
  it('keep the component stopped, and start it with what waits for it', async () => {
    const g = await (await graph('act-stop', family)).ready();
    expect((await g.run('stop', 'db')).code).toBe(0);
    const pidIn = (status: string, name: string): number | null =>
      (JSON.parse(status) as { components: { name: string; pid: number | null }[] }).components.find(
        (each) => each.name === name,
      )!.pid;
    const { code, stdout } = await g.run('status', '--output', 'json');
    expect(code).toBe(4);
    expect(pidIn(stdout, 'db')).toBeNull();
    expect(await g.states()).toMatchObject({ db: 'stopped', keeps: 'ready', stops: 'stopped' });
    expect((await g.run('healthcheck')).code).toBe(1);
    const stuck = await g.run('start', 'stops', '--timeout', '500ms');
    expect(stuck.code).toBe(4);
    expect(stuck.stderr).toContain('stops is not ready in time: stops waiting for db');
    expect((await g.run('start', 'db')).code).toBe(0);
    expect((await g.run('status', '--wait')).code).toBe(0);
    expect(await g.run('start', 'db')).toMatchObject({ code: 0, stderr: 'db is ready' });
    expect((await g.run('healthcheck')).code).toBe(0);
  });

  it('run a task again', async () => {
    const g = await graph(
      'act-task',
      `  t: { task: true, command: [sh, -c, 'echo x >> ran'], workingDir: '\${config.dir}' }\n`,
    );
    await g.ready();
    expect((await g.run('restart', 't')).code).toBe(0);
    expect(await readFile(join(g.dir, 'ran'), 'utf8')).toBe('x\nx\n');
  });
});

describe('a command that cannot be carried out', () => {
  it('lists the components', async () => {
    const g = await (await graph('act-unknown', family)).ready();
    for (const command of ['restart', 'stop', 'start']) {
      const { code, stderr } = await g.run(command, 'dbb');
      expect(code).toBe(2);
      expect(stderr).toContain('there is no component "dbb"');
      expect(stderr).toContain('db, keeps, restarts');
    }
  });

  it('reports that the node is not running', async () => {
    const { exitCode, stderr } = await cli(['restart', 'db', '--name', 'act-nowhere']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('node act-nowhere is not running');
  });
});
