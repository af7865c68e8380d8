import { EventEmitter, once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import type { EventBody } from '../../../src/engine/component.ts';
import { ReadinessLatch } from '../../../src/engine/supervise/readinessLatch.ts';
import { ForcedShutdown } from '../../../src/engine/supervise/forcedShutdown.ts';
import { ComponentSupervisor } from '../../../src/engine/supervise/componentSupervisor.ts';
import { testGraph, gated, task } from '../../support/engine.ts';

describe('a lost dependency', () => {
  it('is waited for again before the next start, and its loss is no failure', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 1 } });
    const b = await gated(t.dir, 'b', { needs: ['a'], restart: { maxFailures: 0 } });
    t.up([a, b]);
    await a.open();
    await b.open();
    await t.next('b', 'ready');
    await a.send('exit 1');
    await t.next('a', 'backoff');
    expect(t.events.at(-1)?.component).toBe('a');
    await b.send('exit 1');
    await t.next('b', 'exited');
    expect((await t.next('b', 'waiting')).on).toEqual(['a']);
    expect((await t.next('b', 'waiting')).on).toEqual(['a']);
    await a.open();
    await b.open();
    await t.next('b', 'ready');
    expect(t.events.some((event) => event.type === 'failed')).toBe(false);
  });

  it('restarts or stops the dependents whose edge says so', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 1 } });
    const b = await gated(t.dir, 'b', { needs: [{ on: 'a', whenLost: 'restart' }] });
    const c = await gated(t.dir, 'c', { needs: [{ on: 'a', whenLost: 'stop' }] });
    const running = t.up([a, b, c]);
    await Promise.all([a.open(), b.open(), c.open()]);
    await running.ready;
    await a.send('exit 1');
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

  it('may be one of many, without a warning of Node.js about a leak', async () => {
    using warn = vi.spyOn(process, 'emitWarning');
    const t = await testGraph();
    const names = Array.from({ length: 12 }, (_, index) => `dependency-${index}`);
    const needs = names.map((on) => ({ on, whenLost: 'restart' }) as const);
    const work = async (): Promise<void> => undefined;
    await t.up([...names.map((name) => task(name, [], work)), task('all', needs, work)]).ready;
    expect(warn.mock.calls).toEqual([]);
  });

  it('is waited for again even if lost at the moment of the start', async () => {
    const latch = new ReadinessLatch('a');
    latch.set();
    const emitted: EventBody['type'][] = [];
    const emitter = new EventEmitter();
    const b = new ComponentSupervisor(
      task('b', [], async () => undefined),
      {
        ready: new ReadinessLatch('b'),
        started: new ReadinessLatch('b'),
        dependencies: [{ latch, whenLost: 'restart' }],
        logFile: '',
        emit: ({ type }) => {
          emitted.push(type);
          emitter.emit(type);
        },
        onFailed: () => undefined,
        forcedShutdown: new ForcedShutdown(),
      },
    );
    const next = Promise.race([once(emitter, 'waiting'), once(emitter, 'stopped')]);
    b.start();
    // The supervisor has found all dependencies ready, and has started nothing yet.
    latch.reset();
    await next;
    const ready = once(emitter, 'ready');
    latch.set();
    await ready;
    expect(emitted).not.toContain('stopped');
    await b.stop();
  });
});
