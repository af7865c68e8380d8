import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processGroupExited } from '../../probes/kinds/processGroupExited.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import type { Command } from '../../src/engine/component.ts';
import { alive, testGraph, gated, stubborn, task } from '../support/engine.ts';

const logged = async (log: string, pattern: RegExp): Promise<void> => {
  const probe = async (): Promise<void> => {
    if (!pattern.test(await readFile(log, 'utf8'))) throw new Unhealthy(`no ${pattern} in the log yet`);
  };
  await until(probe, { timeoutMs: 10_000 }, new AbortController().signal);
};

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe('stop', () => {
  it('ends the reports of a task, even if its function goes on', async () => {
    const t = await testGraph();
    let reportLater: (reason: string) => void = () => undefined;
    const work = task('work', [], async (_signal, report) => {
      reportLater = report;
      await deferred().promise;
    });
    const running = t.up([work]);
    await t.next('work', 'starting');
    reportLater('in time');
    await running.down();
    const before = t.events.map(({ type }) => type);
    expect(before).toContain('probing');
    reportLater('too late');
    expect(t.events.map(({ type }) => type)).toEqual(before);
  });

  it('stops dependents before their dependencies, and whole process groups', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { stop: { graceMs: 50 } });
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    await a.open();
    await b.open();
    await running.ready;
    await a.send('orphan');
    await logged(join(t.dir, 'log/a.log'), /orphan \d+/);
    await running.down();
    const stops = t.events.filter((event) => event.type === 'stopped').map((event) => event.component);
    expect(stops).toEqual(['b', 'a']);
    const { pid } = await t.next('a', 'starting');
    await processGroupExited(pid!)(new AbortController().signal);
  });

  it('kills a process that ignores the signal when the grace period is over', async () => {
    const t = await testGraph();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    const { pid } = await t.next('a', 'starting');
    await running.down();
    expect(alive(pid!)).toBe(false);
  });

  it('skips the grace period when requested a second time', async () => {
    const t = await testGraph();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 3_600_000 } })]);
    await running.ready;
    void running.down();
    await t.next('a', 'stopping');
    await running.down();
  });

  it('in the middle of a boot leaves nothing running', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a');
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    const { pid } = await t.next('a', 'starting');
    await running.down();
    expect(alive(pid!)).toBe(false);
    await expect(running.ready).rejects.toThrow('stop requested');
    expect(t.events.some((event) => event.component === 'b' && event.type === 'starting')).toBe(false);
  });

  it('while a component is being started leaves nothing running', async () => {
    const t = await testGraph();
    const called = deferred();
    const resolved = deferred();
    const a = stubborn(t.dir, 'a', { stop: { graceMs: 10 } });
    const fixed = a.command as Command;
    const running = t.up([
      {
        ...a,
        command: async () => {
          called.resolve();
          await resolved.promise;
          return fixed;
        },
      },
    ]);
    await called.promise;
    const down = running.down();
    resolved.resolve();
    await down;
    expect(t.events.some((event) => event.type === 'starting')).toBe(false);
  });

  it('between the spawn and the first attempt stops the process', async () => {
    const t = await testGraph();
    const a = stubborn(t.dir, 'a', { stop: { graceMs: 10 } });
    const running = t.up([a]);
    t.onEvent((event) => event.type === 'starting' && void running.down());
    await running.done;
    const { pid } = await t.next('a', 'starting');
    await processGroupExited(pid!)(new AbortController().signal);
  });

  it('and start of one component, with and without its dependents', async () => {
    const t = await testGraph();
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

  it('of everything is not undone by a restart in progress, nor by a start', async () => {
    const t = await testGraph();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    const restarted = running.restart('a');
    await t.next('a', 'stopping');
    const down = running.down();
    await expect(restarted).rejects.toThrow('cannot start a: all components are being stopped');
    expect(() => running.start('a')).toThrow('all components are being stopped');
    await down;
    expect(t.events.filter((event) => event.type === 'starting')).toHaveLength(1);
  });

  it('of one component is followed by a start that was requested meanwhile', async () => {
    const t = await testGraph();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    await t.next('a', 'ready');
    const stopped = running.stop('a');
    await t.next('a', 'stopping');
    running.start('a');
    await stopped;
    await t.next('a', 'ready');
  });

  it('of one component emits one event, however many requested it', async () => {
    const t = await testGraph();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    await Promise.all([running.stop('a'), running.stop('a')]);
    expect(t.events.filter((event) => event.type === 'stopped')).toHaveLength(1);
  });
});
