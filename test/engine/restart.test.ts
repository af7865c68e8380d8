import { EventEmitter, once } from 'node:events';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PermanentFailure, Unhealthy } from '../../probes/probe.ts';
import { alive, testGraph, gated, shell, stubborn, task } from '../support/engine.ts';

async function listenOn(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

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

  it('calls what is to be done before it, but not before the first start', async () => {
    const t = await testGraph();
    let calls = 0;
    const beforeRestart = async (): Promise<void> => void (calls += 1);
    const running = t.up([shell('a', 'exec sleep 600', {})], { beforeRestart });
    await running.ready;
    expect(calls).toBe(0);
    await running.restart('a');
    await t.next('a', 'starting');
    await t.next('a', 'starting');
    expect(calls).toBe(1);
  });

  it('is not made when a stop comes while it is prepared, and the stop does not wait for that', async () => {
    const t = await testGraph();
    const preparation = new EventEmitter();
    const begun = once(preparation, 'begun');
    const beforeRestart = async (): Promise<never> => {
      preparation.emit('begun');
      return new Promise<never>(() => undefined);
    };
    const runs: string[] = [];
    const running = t.up([task('a', [], async () => void runs.push('a'))], { beforeRestart });
    await running.ready;
    await running.restart('a');
    await begun;
    await running.stop('a');
    expect(runs).toHaveLength(1);
  });

  it('waits again for a dependency that is lost while it is prepared', async () => {
    const t = await testGraph();
    let prepared: Promise<void> | undefined;
    const beforeRestart = async (): Promise<void> => (prepared ??= running.stop('b'));
    const b = shell('b', 'exec sleep 600', {});
    const running = t.up([b, task('a', ['b'], async () => undefined)], { beforeRestart });
    await running.ready;
    await t.next('a', 'starting');
    await t.next('a', 'waiting');
    await running.restart('a');
    expect(await t.next('a', 'waiting')).toMatchObject({ on: ['b'] });
    running.start('b');
    await t.next('a', 'starting');
    await t.next('a', 'ready');
  });

  it('is tried again while the program is missing, and the others run on', async () => {
    const t = await testGraph();
    const program = join(t.dir, 'own');
    const install = async (): Promise<void> =>
      writeFile(program, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    await install();
    const other = shell('other', 'exec sleep 600', {});
    const a = shell('a', '', { delayMs: 10 }, { command: { file: program, args: [] } });
    const running = t.up([other, a]);
    await running.ready;
    await t.next('a', 'starting');
    await rm(program);
    await running.restart('a');
    expect((await t.next('a', 'backoff')).reason).toMatch(/^cannot start .*own: there is no such program/);
    await t.next('a', 'backoff');
    await install();
    await t.next('a', 'starting');
    expect(t.events.some(({ component, type }) => component === 'other' && type === 'stopped')).toBe(false);
  });

  it('is tried again while its port is held, and then ends with the reason and the exit code of the first start', async () => {
    const t = await testGraph();
    const server = createServer();
    const port = await listenOn(server, 0);
    server.close();
    const a = shell('a', 'exec sleep 600', { delayMs: 1, maxFailures: 2 }, { ports: [port] });
    const running = t.up([a]);
    await running.ready;
    await listenOn(server, port);
    onTestFinished(() => void server.close());
    await running.restart('a');
    await expect(running.done).rejects.toMatchObject({
      code: 'preflight',
      message: expect.stringMatching(`^a cannot have port ${port}: it is held by pid ${process.pid}`),
    });
    expect(t.events.filter(({ type }) => type === 'backoff')).toHaveLength(2);
  });

  it('follows when a process has been stopped by SIGSTOP for some seconds, also before it was ready', async () => {
    const t = await testGraph();
    const script = 'trap "echo in order; exit 3" TERM; kill -STOP $$; while :; do sleep 1 & wait; done';
    const never = async (): Promise<void> => {
      throw new Unhealthy('not yet');
    };
    const options = { stop: { graceMs: 60_000 } };
    t.up([
      shell('ready', script, { delayMs: 1 }, options),
      shell('starting', script, { delayMs: 1 }, { ...options, ready: never }),
    ]);
    for (const name of ['ready', 'starting']) {
      const { at } = await t.next(name, 'starting');
      const unhealthy = await t.next(name, 'unhealthy');
      expect(unhealthy.reason).toBe('it is stopped by a signal (SIGSTOP)');
      expect(unhealthy.at - at).toBeGreaterThan(5500);
      const again = await t.next(name, 'starting');
      // It had its grace, and needed little of it.
      expect(again.at - at).toBeLessThan(12_000);
      expect(await readFile(join(t.dir, 'log', `${name}.log`), 'utf8')).toContain('in order');
    }
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
      diagnose: (reason) => ({ isPermanent: false, remedy: `the remedy for: ${reason}` }),
    });
    await expect(t.up([a]).done).rejects.toMatchObject({
      code: 'crashLoop',
      message: 'a is in a crash loop (more than 1 failures within 60 s): runs without its plugin',
      hint: 'the remedy for: runs without its plugin',
    });
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(2);
  });

  it('ends with the second failure in a row that no restart fixes, by the words of the program', async () => {
    const t = await testGraph();
    const script = 'echo "panic: index out of range" >&2; echo "go.etcd.io/bbolt.(*DB)" >&2; exit 2';
    const a = shell(
      'a',
      script,
      { delayMs: 1 },
      {
        diagnose: (reason, lastLines) => ({
          isPermanent:
            reason.startsWith('exited with code 2') && lastLines.some((line) => line.includes('bbolt')),
          fault: '/data/db is damaged',
          remedy: 'remove it',
        }),
      },
    );
    const reason = '/data/db is damaged: exited with code 2: go.etcd.io/bbolt.(*DB)';
    await expect(t.up([a]).done).rejects.toMatchObject({
      code: 'crashLoop',
      message: `a cannot run: ${reason}`,
      hint: 'remove it',
    });
    expect(await t.next('a', 'failed')).toMatchObject({ reason });
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(2);
  });

  it('goes on when such a failure is followed by another one', async () => {
    const t = await testGraph();
    const count = `n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; exit $((n % 2 + 1))`;
    const a = shell(
      'a',
      `cd ${t.dir}; ${count}`,
      { delayMs: 1, maxFailures: 4 },
      {
        diagnose: (reason) => ({ isPermanent: reason === 'exited with code 2' }),
      },
    );
    await expect(t.up([a]).done).rejects.toThrow('a is in a crash loop (more than 4 failures');
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(5);
  });

  it('does not follow when a folder is in the place of the log', async () => {
    const t = await testGraph();
    await mkdir(join(t.dir, 'log', 'a.log'), { recursive: true });
    await expect(t.up([shell('a', 'exit 1', { delayMs: 1 })]).done).rejects.toMatchObject({
      code: 'preflight',
      message: expect.stringMatching(/^the log .*a\.log cannot be written: EISDIR/),
    });
    expect(t.events.some(({ type }) => type === 'backoff')).toBe(false);
  });

  it('counts failures anew after a good run', async () => {
    const t = await testGraph();
    // Fails at once, then runs for 1.05 s, and so on.
    const count = `n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n; test $((n % 2)) = 0 || sleep 1.05; exit 3`;
    const a = shell('a', `cd ${t.dir}; ${count}`, { delayMs: 1, maxFailures: 1, resetAfterMs: 0 });
    t.up([a]);
    for (const attempt of [1, 2, 3, 4, 5]) expect((await t.next('a', 'starting')).attempt).toBe(attempt);
    expect(t.events.some(({ type }) => type === 'failed')).toBe(false);
  });

  it.each([
    ['a window in which the limit is never reached', { maxFailures: 5, windowMs: 1 }],
    ['a high limit', { maxFailures: 1_000_000, windowMs: 60_000 }],
  ])('pauses for 1 s after a short life with %s, whatever the delay is', async (_what, limit) => {
    const t = await testGraph();
    t.up([shell('a', 'exit 1', { delayMs: 0, maxDelayMs: 0, resetAfterMs: 0, ...limit })]);
    const first = await t.next('a', 'starting');
    await t.next('a', 'starting');
    const third = await t.next('a', 'starting');
    expect(third.at - first.at).toBeGreaterThanOrEqual(2000);
    const pauses = t.events.flatMap((event) => (event.type === 'backoff' ? [event.ms] : []));
    expect(pauses).toEqual([1000, 1000]);
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
