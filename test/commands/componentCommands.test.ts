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

/** What was said of the course of an order, without the times. */
function course(stderr: string): string[] {
  return stderr.split('\n').map((line) => line.replace(/^ *[\d.]+ s {2}/, '').replace(/ in [\d.]+ s$/, ''));
}

describe('restart', () => {
  it('resolves when the component is ready again, and its dependents do as their edges say', async () => {
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
    const said = course(stderr);
    expect(said.filter((line) => /^(keeps|above|aside)/.test(line))).toEqual([]);
    expect(said.filter((line) => line.startsWith('stops'))).toEqual(['stops  stopping', 'stops  stopped']);
    expect(said.filter((line) => line.startsWith('restarts'))).toEqual([
      'restarts  stopping',
      'restarts  starting again (attempt 2)',
      'restarts  ready',
    ]);
    expect(said.indexOf('db  ready')).toBeLessThan(said.indexOf('restarts  starting again (attempt 2)'));
  });

  it('takes all dependents along with --cascade, in order, and leaves the rest alone', async () => {
    const g = await (await graph('act-cascade', family)).ready();
    const { code, stderr } = await g.run('restart', 'restarts', '--cascade');
    expect(code).toBe(0);
    expect(course(stderr)).toEqual([
      'above  stopping',
      'above  stopped',
      'restarts  stopping',
      'restarts  stopped',
      'restarts  starting again (attempt 2)',
      'restarts  ready',
      'above  starting again (attempt 2)',
      'above  ready',
    ]);
    expect(Object.values(await g.states())).toEqual(Array.from({ length: 6 }, () => 'ready'));
  });

  it('waits for what is slow, and says what for when time is up', async () => {
    const script = 'trap "rm -f up; exit" TERM; touch begun; sleep 1000 & wait';
    const g = await graph(
      'act-slow',
      `  slow: { command: [sh, -c, '${script}'], cwd: '\${config.dir}', ready: { file: '\${config.dir}/up' } }\n`,
    );
    const [begun, up] = [join(g.dir, 'begun'), join(g.dir, 'up')];
    const letItBeReady = async (): Promise<void> => {
      await expect.poll(() => existsSync(begun), { timeout: 20_000 }).toBe(true);
      await rm(begun);
      await writeFile(up, '');
    };
    await letItBeReady();
    await g.ready();
    const hopeless = await g.run('restart', 'slow', '--timeout', '1s');
    expect(hopeless.code).toBe(4);
    expect(hopeless.stderr).toMatch(/slow is not ready in time: slow starting: .*does not exist/);
    await letItBeReady();
    await g.ready();
    const patient = g.run('restart', 'slow');
    await letItBeReady();
    expect((await patient).code).toBe(0);
  });

  it('exits 5 when the component is given up', async () => {
    const script =
      'test -e broken && { echo no more; exit 3; }; trap "rm -f up; exit" TERM; touch up; sleep 1000 & wait';
    const g = await graph(
      'act-given-up',
      `  a: { command: [sh, -c, '${script}'], cwd: '\${config.dir}', ready: { file: '\${config.dir}/up' },
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
  it('leave the component stopped, and bring it back with what waits for it', async () => {
    const g = await (await graph('act-stop', family)).ready();
    expect((await g.run('stop', 'db')).code).toBe(0);
    const pid = (name: string, from: string): number | null =>
      (JSON.parse(from) as { components: { name: string; pid: number | null }[] }).components.find(
        (each) => each.name === name,
      )!.pid;
    const { code, stdout } = await g.run('status', '--output', 'json');
    expect(code).toBe(4);
    expect(pid('db', stdout)).toBeNull();
    expect(await g.states()).toMatchObject({ db: 'stopped', keeps: 'ready', stops: 'stopped' });
    expect((await g.run('healthcheck')).code).toBe(1);
    const stuck = await g.run('start', 'stops', '--timeout', '500ms');
    expect(stuck.code).toBe(4);
    expect(stuck.stderr).toContain('stops is not ready in time: stops waiting: for db');
    expect((await g.run('start', 'db')).code).toBe(0);
    expect((await g.run('status', '--wait')).code).toBe(0);
    expect(await g.run('start', 'db')).toMatchObject({ code: 0, stderr: 'db is ready' });
    expect((await g.run('healthcheck')).code).toBe(0);
  });

  it('run a task again', async () => {
    const g = await graph(
      'act-task',
      `  t: { task: true, command: [sh, -c, 'echo x >> ran'], cwd: '\${config.dir}' }\n`,
    );
    await g.ready();
    expect((await g.run('restart', 't')).code).toBe(0);
    expect(await readFile(join(g.dir, 'ran'), 'utf8')).toBe('x\nx\n');
  });
});

describe('an order that cannot be followed', () => {
  it('names the components there are', async () => {
    const g = await (await graph('act-unknown', family)).ready();
    for (const order of ['restart', 'stop', 'start']) {
      const { code, stderr } = await g.run(order, 'dbb');
      expect(code).toBe(2);
      expect(stderr).toContain('there is no component "dbb"');
      expect(stderr).toContain('db, keeps, restarts');
    }
  });

  it('says that there is no such node', async () => {
    const { exitCode, stderr } = await cli(['restart', 'db', '--name', 'act-nowhere']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('node "act-nowhere" is not running');
  });
});
