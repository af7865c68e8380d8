import { describe, expect, it } from 'vitest';
import { bench, gated } from '../support/engine.ts';

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
