import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PermanentFailure, Unhealthy } from '../../probes/probe.ts';
import { alive, testGraph, gated, shell, stubborn } from '../support/engine.ts';

describe('restart', () => {
  it('starts a process that exited again, after a back-off that grows', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { restart: { delayMs: 10 } });
    t.up([a]);
    for (const attempt of [1, 2]) {
      expect((await t.next('a', 'starting')).attempt).toBe(attempt);
      await a.open();
      await t.next('a', 'ready');
      await a.send('exit 1');
      const { ms } = await t.next('a', 'backoff');
      expect(ms).toBeGreaterThanOrEqual(9 * attempt);
      expect(ms).toBeLessThanOrEqual(11 * attempt);
    }
    await t.next('a', 'starting');
  });

  it('is immediate and no failure after a long time ready, which is at least 1 s', async () => {
    const t = await testGraph();
    t.up([shell('a', 'sleep 1.05; exit 1', { resetAfterMs: 0, maxFailures: 0 })]);
    await t.next('a', 'starting');
    expect((await t.next('a', 'starting')).attempt).toBe(2);
    expect(t.events.some((event) => event.type === 'backoff')).toBe(false);
  });

  it.each([0, 1])(
    'follows a pause after a short life with exit code %i, whatever resetAfter says',
    async (code) => {
      const t = await testGraph();
      const a = shell('a', `exit ${code}`, { resetAfterMs: 0, delayMs: 20, maxFailures: 2 });
      const hint = code === 0 ? 'if it is meant to end: restart: { when: onFailure }' : undefined;
      await expect(t.up([a]).done).rejects.toMatchObject({ code: 'crashLoop', hint });
      expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(3);
      expect(t.events.filter(({ type }) => type === 'backoff')).toHaveLength(2);
    },
  );

  it.each(['always', 'onFailure'] as const)('with `when: %s` follows exit code 3', async (when) => {
    const t = await testGraph();
    t.up([shell('a', 'exit 3', { when, delayMs: 1 })]);
    await t.next('a', 'backoff');
    expect((await t.next('a', 'starting')).attempt).toBe(1);
    expect((await t.next('a', 'starting')).attempt).toBe(2);
  });

  it('with `when: never` follows no exit, however long it was ready', async () => {
    const t = await testGraph();
    const restart = { when: 'never', onFailure: 'keepOthers', resetAfterMs: 0 } as const;
    const running = t.up([shell('a', 'sleep 1.1; exit 7', restart)]);
    await running.ready;
    expect(await t.next('a', 'failed')).toMatchObject({ reason: 'exited with code 7', othersKept: true });
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(1);
  });

  it('stops the whole graph after a crash loop', async () => {
    const t = await testGraph();
    const other = stubborn(t.dir, 'other', { stop: { graceMs: 10 } });
    const a = await gated(t.dir, 'a', {
      needs: ['other'],
      command: { file: 'sh', args: ['-c', 'exit 7'] },
      restart: { delayMs: 1, maxFailures: 2 },
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

  it('follows at once when no further attempt of the probe would pass; the hint is the remedy for the reason', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', {
      ready: async () => {
        throw new PermanentFailure('runs without its plugin');
      },
      restart: { delayMs: 1, maxFailures: 1 },
      remedy: (reason) => `the remedy for: ${reason}`,
    });
    await expect(t.up([a]).done).rejects.toMatchObject({
      code: 'crashLoop',
      message: 'a is in a crash loop (more than 1 failures within 60 s): runs without its plugin',
      hint: 'the remedy for: runs without its plugin',
    });
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(2);
  });

  it('restarts a process that runs but is unhealthy', async () => {
    const t = await testGraph();
    const state = { healthy: true };
    const a = await gated(t.dir, 'a', {
      live: async () => {
        if (!state.healthy) throw new Unhealthy('NOSPACE');
      },
      restart: { delayMs: 1 },
    });
    t.up([a]);
    await a.open();
    await t.next('a', 'ready');
    state.healthy = false;
    expect((await t.next('a', 'unhealthy')).reason).toBe('NOSPACE');
    await t.next('a', 'starting');
    expect((await t.next('a', 'starting')).attempt).toBe(2);
  });

  it('retries a start that failed with a transient error', async () => {
    const t = await testGraph();
    const file = join(t.dir, 'program');
    await writeFile(file, '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
    // A program that is open for writing cannot be run (ETXTBSY).
    const writer = await open(file, 'r+');
    const a = await gated(t.dir, 'a', {
      command: { file, args: [] },
      ready: async () => undefined,
      ports: [],
      restart: { delayMs: 1, maxFailures: 1000 },
    });
    const running = t.up([a]);
    expect((await t.next('a', 'backoff')).reason).toContain('ETXTBSY');
    await writer.close();
    await running.ready;
  });

  it('does not call a programming error in a probe a crash loop', async () => {
    const t = await testGraph();
    const a = stubborn(t.dir, 'a', {
      live: async () => {
        throw new ReferenceError('x is not defined');
      },
      liveTiming: { periodMs: 1 },
      stop: { graceMs: 1 },
    });
    await expect(t.up([a]).done).rejects.toThrow('the definition of a has a mistake: x is not defined');
    expect(t.events.filter((event) => event.type === 'starting')).toHaveLength(1);
  });
});
