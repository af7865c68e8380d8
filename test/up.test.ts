import { createServer } from 'node:net';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Unhealthy } from '../probes/probe.ts';
import { until } from '../probes/until.ts';
import type { Task } from '../src/component.ts';
import { bench, gated, stubborn } from './support/engine.ts';

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const orphanOf = async (log: string): Promise<number> => {
  let pid: string | undefined;
  const logged = async (): Promise<void> => {
    pid = /orphan (\d+)/.exec(await readFile(log, 'utf8'))?.[1];
    if (pid === undefined) throw new Unhealthy('no orphan in the log yet');
  };
  await until(logged, { timeoutMs: 10_000 }, new AbortController().signal);
  return Number(pid);
};
const task = (name: string, needs: Task['needs'], run: Task['run']): Task => ({
  kind: 'task',
  name,
  needs,
  run,
});

describe('boot', () => {
  it('starts what needs nothing at once and the rest when its needs are ready', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b');
    const c = await gated(t.dir, 'c', { needs: ['a', 'b'] });
    const running = t.up([a, b, c]);
    expect((await t.next('c', 'waiting')).on).toEqual(['a', 'b']);
    await a.open();
    await t.next('a', 'ready');
    expect((await t.next('c', 'waiting')).on).toEqual(['b']);
    expect(t.events.some((event) => event.component === 'c' && event.type === 'starting')).toBe(false);
    await b.open();
    await t.next('c', 'starting');
    await c.open();
    await running.ready;
  });

  it('says why a component is not ready yet', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a');
    t.up([a]);
    expect((await t.next('a', 'probing')).reason).toContain('a.ready');
  });

  it('notices at once that a process died, with its last lines, and gives it up by policy', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', {
      command: { file: 'sh', args: ['-c', 'echo about to fail >&2; exit 3'] },
      restart: { when: 'never' },
    });
    const running = t.up([a]);
    const exited = await t.next('a', 'exited');
    expect(exited.reason).toBe('exited with code 3');
    expect(exited.lastLines).toEqual(['about to fail']);
    await expect(running.ready).rejects.toMatchObject({ code: 'crashLoop' });
    await expect(running.done).rejects.toThrow('exited with code 3: about to fail');
  });

  it('names a program that does not exist', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', {
      command: { file: '/no/such/program', args: [] },
      restart: { when: 'never' },
    });
    await expect(t.up([a]).done).rejects.toThrow('cannot start /no/such/program: there is no such program');
  });

  it('ends with what is missing when the whole takes too long, and stops what had started', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b], { timeoutMs: 200 });
    const { pid } = await t.next('a', 'starting');
    await expect(running.done).rejects.toMatchObject({
      code: 'notReady',
      message: 'not ready within 0.2 s: a, b',
    });
    expect(alive(pid!)).toBe(false);
  });

  it('counts a component that is not ready in its own time as a failed start, with the last reason', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { timeoutMs: 100, restart: { when: 'never' } });
    await expect(t.up([a]).done).rejects.toThrow(/a .*not ready after .*a\.ready/s);
  });

  it('runs tasks, and reports what they wait for', async () => {
    const t = await bench();
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const first = task('first', [], async (_signal, report) => {
      report('the gate is closed');
      await gate;
    });
    const running = t.up([first, task('second', ['first'], async () => undefined)]);
    expect((await t.next('first', 'probing')).reason).toBe('the gate is closed');
    finish();
    await running.ready;
    expect(
      t.events.findIndex((event) => event.component === 'second' && event.type === 'starting'),
    ).toBeGreaterThan(t.events.findIndex((event) => event.component === 'first' && event.type === 'ready'));
  });

  it('fails with the reason of a task that fails, and does not try it again', async () => {
    const t = await bench();
    const running = t.up([
      task('broken', [], async () => {
        throw new Error('the disk is full');
      }),
    ]);
    await expect(running.done).rejects.toMatchObject({
      code: 'notReady',
      message: 'broken failed: the disk is full',
    });
    expect(t.events.filter((event) => event.type === 'starting')).toHaveLength(1);
  });

  it('quotes the last reason of a task that takes too long', async () => {
    const t = await bench();
    const slow: Task = {
      ...task('slow', [], async (signal, report) => {
        report('node1 is not registered');
        await once(signal, 'abort');
      }),
      timeoutMs: 50,
    };
    await expect(t.up([slow]).done).rejects.toThrow(
      'slow failed: not done within 0 s: node1 is not registered',
    );
  });
});

describe('before spawning', () => {
  it('refuses a port that somebody holds, and says who', async () => {
    const t = await bench();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const a = await gated(t.dir, 'a', { ports: [port] });
      await expect(t.up([a]).done).rejects.toMatchObject({
        code: 'preflight',
        message: expect.stringMatching(
          `a cannot have port ${port}: it is held by pid ${process.pid} \\(.*node`,
        ) as string,
      });
      expect(t.events.some((event) => event.type === 'starting')).toBe(false);
    } finally {
      server.close();
    }
  });

  it('refuses to start what seems to be running already', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { ready: async () => undefined });
    await expect(t.up([a]).done).rejects.toMatchObject({ code: 'preflight' });
  });
});

describe('restart', () => {
  it('brings back what died, after a back-off that grows', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 10 } });
    t.up([a]);
    for (const attempt of [1, 2]) {
      expect((await t.next('a', 'starting')).attempt).toBe(attempt);
      await a.open();
      await t.next('a', 'ready');
      await a.tell('exit 1');
      const { ms } = await t.next('a', 'backoff');
      expect(ms).toBeGreaterThanOrEqual(9 * attempt);
      expect(ms).toBeLessThanOrEqual(11 * attempt);
    }
    await t.next('a', 'starting');
  });

  it('is immediate and free after a long time ready', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { restart: { resetAfterMs: 0, budget: 0 } });
    t.up([a]);
    await a.open();
    await t.next('a', 'ready');
    await a.tell('exit 1');
    await t.next('a', 'starting');
    expect((await t.next('a', 'starting')).attempt).toBe(2);
    expect(t.events.some((event) => event.type === 'backoff')).toBe(false);
  });

  it('gives up a crash loop and takes the whole graph down', async () => {
    const t = await bench();
    const other = stubborn(t.dir, 'other', { stop: { graceMs: 10 } });
    const a = await gated(t.dir, 'a', {
      needs: ['other'],
      command: { file: 'sh', args: ['-c', 'exit 7'] },
      restart: { delayMs: 1, budget: 2 },
    });
    const running = t.up([other, a]);
    const { pid } = await t.next('other', 'starting');
    await expect(running.done).rejects.toMatchObject({
      code: 'crashLoop',
      message: 'a is in a crash loop (more than 2 failures within 60 s): exited with code 7',
    });
    expect(t.events.filter((event) => event.component === 'a' && event.type === 'starting')).toHaveLength(3);
    expect(alive(pid!)).toBe(false);
  });

  it('restarts what lives but is not well', async () => {
    const t = await bench();
    const watched = { healthy: true };
    const a = await gated(t.dir, 'a', {
      live: async () => {
        if (!watched.healthy) throw new Unhealthy('NOSPACE');
      },
      restart: { delayMs: 1 },
    });
    t.up([a]);
    await a.open();
    await t.next('a', 'ready');
    watched.healthy = false;
    expect((await t.next('a', 'unhealthy')).reason).toBe('NOSPACE');
    await t.next('a', 'starting');
    expect((await t.next('a', 'starting')).attempt).toBe(2);
  });
});

describe('a need that is lost', () => {
  it('is waited for again before the next start, and its loss is not charged', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 1 } });
    const b = await gated(t.dir, 'b', { needs: ['a'], restart: { budget: 0 } });
    t.up([a, b]);
    await a.open();
    await b.open();
    await t.next('b', 'ready');
    await a.tell('exit 1');
    await t.next('a', 'backoff');
    expect(t.events.at(-1)?.component).toBe('a');
    await b.tell('exit 1');
    await t.next('b', 'exited');
    expect((await t.next('b', 'waiting')).on).toEqual(['a']);
    expect((await t.next('b', 'waiting')).on).toEqual(['a']);
    await a.open();
    await b.open();
    await t.next('b', 'ready');
    expect(t.events.some((event) => event.type === 'failed')).toBe(false);
  });

  it('takes a dependent along whose edge says so', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 1 } });
    const b = await gated(t.dir, 'b', { needs: [{ on: 'a', whenLost: 'restart' }] });
    const c = await gated(t.dir, 'c', { needs: [{ on: 'a', whenLost: 'stop' }] });
    const running = t.up([a, b, c]);
    await Promise.all([a.open(), b.open(), c.open()]);
    await running.ready;
    await a.tell('exit 1');
    await t.next('c', 'stopped');
    expect((await t.next('b', 'waiting')).on).toEqual(['a']);
    await Promise.all([a.open(), b.open()]);
    expect((await t.next('b', 'starting')).attempt).toBe(1);
    expect((await t.next('b', 'starting')).attempt).toBe(2);
    await t.next('b', 'ready');
    running.start('c');
    await c.open();
    await t.next('c', 'ready');
    await t.next('c', 'ready');
  });
});

describe('stop', () => {
  it('ends dependents before what they need, and whole process groups', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { stop: { graceMs: 50 } });
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    await a.open();
    await b.open();
    await running.ready;
    await a.tell('orphan');
    const orphan = await orphanOf(join(t.dir, 'log/a.log'));
    expect(alive(orphan)).toBe(true);
    await running.down();
    const stops = t.events.filter((event) => event.type === 'stopped').map((event) => event.component);
    expect(stops).toEqual(['b', 'a']);
    expect(alive(orphan)).toBe(false);
  });

  it('kills what ignores the signal when the grace is over', async () => {
    const t = await bench();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    const { pid } = await t.next('a', 'starting');
    await running.down();
    expect(alive(pid!)).toBe(false);
  });

  it('is hurried by being asked a second time', async () => {
    const t = await bench();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 3_600_000 } })]);
    await running.ready;
    void running.down();
    await t.next('a', 'stopping');
    await running.down();
  });

  it('in the middle of a boot leaves nothing running', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    const { pid } = await t.next('a', 'starting');
    await running.down();
    expect(alive(pid!)).toBe(false);
    await expect(running.ready).rejects.toThrow('asked to stop');
    expect(t.events.some((event) => event.component === 'b' && event.type === 'starting')).toBe(false);
  });

  it('and start again of one component, with and without those that need it', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    await a.open();
    await b.open();
    await running.ready;
    await Promise.all([running.restart('a', { cascade: true }), a.open(), b.open()]);
    await t.next('b', 'ready');
    await t.next('b', 'ready');
    const stops = t.events.filter((event) => event.type === 'stopped').map((event) => event.component);
    expect(stops).toEqual(['b', 'a']);
    await expect(running.stop('c')).rejects.toThrow('there is no component "c"');
  });
});
