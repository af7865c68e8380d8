import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import type { Task } from '../../src/engine/component.ts';
import { alive, testGraph, gated, task } from '../support/engine.ts';

describe('boot', () => {
  it('starts components without dependencies at once, and the rest when theirs are ready', async () => {
    const t = await testGraph();
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

  it('does not wait for the readiness of a dependency with condition started, but stops before it', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const c = await gated(t.dir, 'c', { needs: [{ on: 'b', condition: 'started' }] });
    const running = t.up([a, b, c]);
    expect((await t.next('c', 'waiting')).on).toEqual(['b']);
    await t.next('a', 'starting');
    expect(t.events.some((event) => event.component === 'c' && event.type === 'starting')).toBe(false);
    await a.open();
    await t.next('c', 'starting');
    await c.open();
    await t.next('c', 'ready');
    expect(t.events.some((event) => event.component === 'b' && event.type === 'ready')).toBe(false);
    await running.down();
    const stopped = t.events.filter(({ type }) => type === 'stopped').map(({ component }) => component);
    expect(stopped).toEqual(['c', 'b', 'a']);
  });

  it('says why a component is not ready yet', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a');
    t.up([a]);
    expect((await t.next('a', 'probing')).reason).toContain('a.ready');
  });

  it('reports at once that a process exited, with its last lines, and does not restart it by policy', async () => {
    const t = await testGraph();
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

  it('shows the end of a last line that is longer than 64 KiB', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', {
      command: { file: 'sh', args: ['-c', "printf '%0100000d the end\\n' 7; exit 3"] },
      restart: { when: 'never' },
    });
    t.up([a]);
    const { lastLines } = await t.next('a', 'exited');
    expect(lastLines).toEqual([expect.stringMatching(/^…0{10,2000}7 the end$/)]);
  });

  it('names a program that does not exist', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', {
      command: { file: '/no/such/program', args: [] },
      restart: { when: 'never' },
    });
    await expect(t.up([a]).done).rejects.toThrow('cannot start /no/such/program: there is no such program');
  });

  it('names the missing components at the deadline, and stops what had started', async () => {
    const t = await testGraph();
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

  it('fails a start that exceeds the time limit of the component, with the last reason', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { timeoutMs: 100, restart: { when: 'never' } });
    await expect(t.up([a]).done).rejects.toThrow(/a .*not ready after .*a\.ready/s);
  });

  it('runs tasks, and emits their reports', async () => {
    const t = await testGraph();
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

  it('does not call ready a process that has exited by the time its probe passes', async () => {
    const t = await testGraph();
    let pid = 0;
    t.onEvent((event) => {
      if (event.type === 'starting') pid = event.pid!;
    });
    const exited: Probe = async () => {
      if (pid === 0 || alive(pid)) throw new Unhealthy('still running');
    };
    const a = await gated(t.dir, 'a', {
      command: { file: 'sh', args: ['-c', 'exit 3'] },
      ports: [],
      ready: async (signal) => until(exited, { timeoutMs: 30_000, periodMs: 1, maxPeriodMs: 1 }, signal),
      readyTiming: { attemptTimeoutMs: 30_000 },
      restart: { when: 'never' },
    });
    await expect(t.up([a]).done).rejects.toThrow('exited with code 3');
    expect(t.events.some((event) => event.type === 'ready')).toBe(false);
  });

  it('fails with the reason of a failed task, and does not retry it', async () => {
    const t = await testGraph();
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
    const t = await testGraph();
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
