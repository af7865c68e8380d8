import { EventEmitter, once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { EventBody } from '../../../src/engine/component.ts';
import { ReadinessLatch } from '../../../src/engine/supervise/readinessLatch.ts';
import { ForcedShutdown } from '../../../src/engine/supervise/forcedShutdown.ts';
import { ComponentSupervisor } from '../../../src/engine/supervise/componentSupervisor.ts';
import { bench, gated, task } from '../../support/engine.ts';

describe('a need that is lost', () => {
  it('is waited for again before the next start, and its loss is not charged', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 1 } });
    const b = await gated(t.dir, 'b', { needs: ['a'], restart: { maxFailures: 0 } });
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

  it('may be one of many, and Node.js warns of no leak', async () => {
    using warn = vi.spyOn(process, 'emitWarning');
    const t = await bench();
    const names = Array.from({ length: 12 }, (_, index) => `need-${index}`);
    const needs = names.map((on) => ({ on, whenLost: 'restart' }) as const);
    const work = async (): Promise<void> => undefined;
    await t.up([...names.map((name) => task(name, [], work)), task('all', needs, work)]).ready;
    expect(warn.mock.calls).toEqual([]);
  });

  it('in the very moment of the start is waited for again, too', async () => {
    const need = new ReadinessLatch('a');
    need.set();
    const said: EventBody['type'][] = [];
    const happens = new EventEmitter();
    const b = new ComponentSupervisor(
      task('b', [], async () => undefined),
      {
        ready: new ReadinessLatch('b'),
        started: new ReadinessLatch('b'),
        dependencies: [{ latch: need, whenLost: 'restart' }],
        logFile: '',
        emit: ({ type }) => {
          said.push(type);
          happens.emit(type);
        },
        onFailed: () => undefined,
        forcedShutdown: new ForcedShutdown(),
      },
    );
    const settled = Promise.race([once(happens, 'waiting'), once(happens, 'stopped')]);
    b.start();
    // All needs have been found ready, and nothing has been started yet.
    need.reset();
    await settled;
    const ready = once(happens, 'ready');
    need.set();
    await ready;
    expect(said).not.toContain('stopped');
    await b.stop();
  });
});
