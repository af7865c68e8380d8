import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processGroupExited } from '../../probes/kinds/processGroupExited.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import type { Command } from '../../src/engine/component.ts';
import { alive, bench, gated, stubborn, task } from '../support/engine.ts';

const logged = async (log: string, pattern: RegExp): Promise<void> => {
  const look = async (): Promise<void> => {
    if (!pattern.test(await readFile(log, 'utf8'))) throw new Unhealthy(`no ${pattern} in the log yet`);
  };
  await until(look, { timeoutMs: 10_000 }, new AbortController().signal);
};

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe('stop', () => {
  it('is the end of what a task has to say, though its work may go on', async () => {
    const t = await bench();
    let tell: (reason: string) => void = () => undefined;
    const work = task('work', [], async (_signal, report) => {
      tell = report;
      await deferred().promise;
    });
    const running = t.up([work]);
    await t.next('work', 'starting');
    tell('in time');
    await running.down();
    const said = t.events.map(({ type }) => type);
    expect(said).toContain('probing');
    tell('too late');
    expect(t.events.map(({ type }) => type)).toEqual(said);
  });

  it('ends dependents before what they need, and whole process groups', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { stop: { graceMs: 50 } });
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const running = t.up([a, b]);
    await a.open();
    await b.open();
    await running.ready;
    await a.tell('orphan');
    await logged(join(t.dir, 'log/a.log'), /orphan \d+/);
    await running.down();
    const stops = t.events.filter((event) => event.type === 'stopped').map((event) => event.component);
    expect(stops).toEqual(['b', 'a']);
    const { pid } = await t.next('a', 'starting');
    await processGroupExited(pid!)(new AbortController().signal);
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

  it('while a component is being started leaves nothing running', async () => {
    const t = await bench();
    const asked = deferred();
    const answer = deferred();
    const a = stubborn(t.dir, 'a', { stop: { graceMs: 10 } });
    const fixed = a.command as Command;
    const running = t.up([
      {
        ...a,
        command: async () => {
          asked.resolve();
          await answer.promise;
          return fixed;
        },
      },
    ]);
    await asked.promise;
    const down = running.down();
    answer.resolve();
    await down;
    expect(t.events.some((event) => event.type === 'starting')).toBe(false);
  });

  it('between the spawn and the first look ends what was spawned', async () => {
    const t = await bench();
    const a = stubborn(t.dir, 'a', { stop: { graceMs: 10 } });
    const running = t.up([a]);
    t.onEvent((event) => event.type === 'starting' && void running.down());
    await running.done;
    const { pid } = await t.next('a', 'starting');
    await processGroupExited(pid!)(new AbortController().signal);
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

  it('of everything is not undone by a restart that is under way, nor by a start', async () => {
    const t = await bench();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    const restarted = running.restart('a');
    await t.next('a', 'stopping');
    const down = running.down();
    await expect(restarted).rejects.toThrow('everything is being stopped: a is not started');
    expect(() => running.start('a')).toThrow('everything is being stopped');
    await down;
    expect(t.events.filter((event) => event.type === 'starting')).toHaveLength(1);
  });

  it('of one component is followed by the start that was asked for meanwhile', async () => {
    const t = await bench();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    await t.next('a', 'ready');
    const stopped = running.stop('a');
    await t.next('a', 'stopping');
    running.start('a');
    await stopped;
    await t.next('a', 'ready');
  });

  it('of one component is said once, however many asked for it', async () => {
    const t = await bench();
    const running = t.up([stubborn(t.dir, 'a', { stop: { graceMs: 50 } })]);
    await running.ready;
    await Promise.all([running.stop('a'), running.stop('a')]);
    expect(t.events.filter((event) => event.type === 'stopped')).toHaveLength(1);
  });
});
