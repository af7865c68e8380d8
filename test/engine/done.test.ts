import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { processGroupExited } from '../../probes/kinds/processGroupExited.ts';
import { tcp } from '../../probes/kinds/tcp.ts';
import { replay, summarize } from '../../src/observe/state/state.ts';
import { testGraph, gated, shell } from '../support/engine.ts';
import type { TestGraph } from '../support/engine.ts';
import { testBinaries } from '../support/installBinaries.ts';

const runOnce = { when: 'never', onFailure: 'keepOthers' } as const;

/** What `status` shows of each component. */
function phases({ events }: TestGraph, ...names: string[]): string[] {
  const state = replay(names, events);
  return names.map((name) => state.get(name)!.phase);
}

describe.each(['never', 'onFailure'] as const)(
  'a service with `when: %s` whose program exits with 0',
  (when) => {
    it('is done and stays ready, while others still start and after the boot', async () => {
      const t = await testGraph();
      const a = shell('a', 'echo migrated', { when });
      const b = await gated(t.dir, 'b', { needs: ['a'] });
      const running = t.up([a, b]);
      expect((await t.next('a', 'done')).reason).toBe('exited with code 0');
      await b.open();
      await running.ready;
      expect(phases(t, 'a', 'b')).toEqual(['ready', 'ready']);
      expect(summarize(replay(['a', 'b'], t.events))).toEqual({ phase: 'ready' });
      expect(replay(['a'], t.events).get('a')?.pid).toBeUndefined();
      const ofA = t.events.filter(({ component }) => component === 'a').map(({ type }) => type);
      expect(ofA).toEqual(['starting', 'ready', 'done']);
      await running.restart('a');
      await t.next('a', 'done');
      await running.down();
      expect(phases(t, 'a', 'b')).toEqual(['stopped', 'stopped']);
    });

    it('is done after it was ready for a long time, too', async () => {
      const t = await testGraph();
      const a = shell('a', 'sleep 1.1', { when, resetAfterMs: 0 });
      t.up([a]);
      await t.next('a', 'done');
      expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(1);
    });

    it('has failed if its own readiness probe does not pass', async () => {
      const t = await testGraph();
      const ready = async (): Promise<void> => {
        throw new Unhealthy('nothing is migrated');
      };
      const a = shell('a', 'exit 0', { when, maxFailures: 0 }, { ready });
      await expect(t.up([a]).done).rejects.toThrow(
        'exited with code 0 before it was ready: nothing is migrated',
      );
    });
  },
);

describe('a component that fails during the boot and keeps the others', () => {
  it('does not end the boot, which waits neither for it nor for its dependents', async () => {
    const t = await testGraph();
    const a = shell('a', 'exit 7', runOnce, { ready: async () => Promise.reject(new Unhealthy('not yet')) });
    const b = await gated(t.dir, 'b', { needs: ['a'] });
    const c = await gated(t.dir, 'c');
    const running = t.up([a, b, c], { timeoutMs: 5000 });
    await t.next('a', 'failed');
    await c.open();
    await running.ready;
    expect(phases(t, 'a', 'b', 'c')).toEqual(['failed', 'waiting', 'ready']);
    await running.down();
  });
});

describe('a program that puts itself into the background', () => {
  /** A port that was free a moment ago. */
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  it.each([[true], [false]])('is called so and stopped; with `ports`: %s', async (hasPorts) => {
    const t = await testGraph();
    const { busybox } = await testBinaries('busybox');
    const port = await freePort();
    const command = { file: busybox, args: ['httpd', '-p', `127.0.0.1:${port}`, '-h', t.dir] };
    const ready = tcp(port);
    const web = shell('web', '', {}, { command, ready, ...(hasPorts && { ports: [port] }) });
    const error: unknown = await t.up([web]).done.catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'preflight',
      message: expect.stringMatching(
        /^web put itself into the background: it exited with code 0, but pid \d+ \(/,
      ),
      hint: expect.stringContaining('run it in the foreground'),
    });
    const pid = Number(/pid (\d+)/.exec(String(error))?.[1]);
    await processGroupExited(pid)(new AbortController().signal);
    expect(t.events.filter(({ type }) => type === 'starting')).toHaveLength(1);
  });

  it('is seen behind a script, too', async () => {
    const t = await testGraph();
    const { busybox } = await testBinaries('busybox');
    const port = await freePort();
    const file = join(t.dir, 'start.sh');
    await writeFile(file, `#!/bin/sh\n${busybox} httpd -p 127.0.0.1:${port} -h ${t.dir}\nexit 0\n`, {
      mode: 0o755,
    });
    const web = shell('web', '', {}, { command: { file, args: [] }, ready: tcp(port) });
    await expect(t.up([web]).done).rejects.toThrow(/^web put itself into the background: .* httpd /);
  });

  it('is done if it is not to be restarted, and named', async () => {
    const t = await testGraph();
    const { busybox } = await testBinaries('busybox');
    const script = `${busybox} httpd -p 127.0.0.1:${await freePort()} -h ${t.dir}; exit 0`;
    t.up([shell('web', script, runOnce)]);
    const { reason } = await t.next('web', 'done');
    expect(reason).toMatch(/^exited with code 0, and left pid \d+ \(.*httpd.*\) in the background$/);
    process.kill(Number(/pid (\d+)/.exec(reason)?.[1]), 'SIGKILL');
  });

  it('is not seen in another component with the same command, or in a silent child', async () => {
    const t = await testGraph();
    const pause = { delayMs: 60_000, maxDelayMs: 60_000 };
    const twin = `mkdir ${t.dir}/first && exit 0; sleep 1000; :`;
    t.up([shell('a', twin, pause), shell('b', twin, pause), shell('child', 'sleep 1000 & exit 0', pause)]);
    expect((await t.next('child', 'backoff')).reason).toBe('exited with code 0');
    const exited = await Promise.race([t.next('a', 'exited'), t.next('b', 'exited')]);
    expect((await t.next(exited.component, 'backoff')).reason).toMatch('exited with code 0');
  });
});
