import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createReporter } from '../../../src/observe/terminal/reporter.ts';
import type { OutputMode } from '../../../src/observe/terminal/reporter.ts';
import type { Event } from '../../../src/engine/component.ts';
import { at, begin, crashLoop, goodBoot, stages } from '../boots.ts';

async function piped(
  output: OutputMode,
  events: readonly Event[],
): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const reporter = await createReporter({ output, stages, stdout, stderr, env: {}, now: () => begin });
  reporter.progress({ label: 'building', detail: 'kubelet', elapsedMs: 1000 });
  reporter.progress({ label: 'building', detail: 'kubelet', elapsedMs: 2000 });
  reporter.progress({ label: 'building', elapsedMs: 61_000, done: true });
  for (const event of events) reporter.emit(event);
  reporter.print('two\n  lines');
  await reporter.end();
  stdout.end();
  stderr.end();
  return { stdout: await text(stdout), stderr: await text(stderr) };
}

describe('not on a terminal', () => {
  it('prints one aligned line per event worth reading, on stderr', async () => {
    const { stdout, stderr } = await piped('auto', goodBoot.slice(9));
    expect(stdout).toBe('');
    expect(stderr).toBe(
      [
        '2026-01-01T00:00:00Z     0.0 s  building: kubelet',
        '2026-01-01T00:00:00Z     0.0 s  building: done in 1 m 01 s',
        '2026-01-01T00:00:00Z     0.8 s  apiserver  starting',
        '2026-01-01T00:00:01Z     1.5 s  kubelet    ready in 1.2 s',
        '2026-01-01T00:00:04Z     4.0 s  apiserver  ready in 3.2 s',
        '2026-01-01T00:00:04Z     4.0 s  node       starting',
        '2026-01-01T00:00:05Z     5.0 s  node       ready in 1.0 s',
        'two',
        '  lines',
        '',
      ].join('\n'),
    );
  });

  it('counts elapsed times from the start of the command, when that is given', async () => {
    const stderr = new PassThrough();
    const clock = { now: () => begin, startedAt: begin - 2500 };
    const reporter = await createReporter({ output: 'plain', stages, stderr, env: {}, ...clock });
    reporter.emit(goodBoot[9]!);
    await reporter.end();
    stderr.end();
    expect(await text(stderr)).toBe('2026-01-01T00:00:00Z     3.3 s  apiserver  starting\n');
  });

  it('prints restarts, failures and the stop', async () => {
    const { stderr } = await piped('plain', crashLoop);
    const printed = stderr.split('\n').filter((line) => line.includes('apiserver'));
    expect(printed.map((line) => line.slice(32).replace(/\s+/g, ' '))).toEqual([
      'apiserver starting',
      'apiserver exited with code 1: bad flag: --x',
      'apiserver restarting in 0.5 s',
      'apiserver restarting (attempt 2)',
      'apiserver exited with code 1: bad flag: --x',
      'apiserver given up: exited with code 1: bad flag: --x',
      'apiserver stopped',
    ]);
  });

  it('prints why a component is restarted that was never ready', async () => {
    const events = [
      at(0, 'dns', { type: 'starting', attempt: 1 }),
      at(1000, 'dns', { type: 'backoff', ms: 500, reason: 'another DNS' }),
    ];
    const { stderr } = await piped('plain', events);
    expect(stderr).toContain('dns        restarting in 0.5 s: another DNS\n');
  });

  it('prints once that everything is ready', async () => {
    const again = [
      at(6000, 'etcd', { type: 'unhealthy' as const, reason: 'x' }),
      at(7000, 'etcd', { type: 'ready' as const, ms: 5 }),
    ];
    const { stderr } = await piped('plain', [...goodBoot, ...again]);
    expect(stderr.match(/ {2}ready in 5\.0 s/g)).toHaveLength(1);
    expect(stderr).toContain('critical path, in s: pki 0.3 → etcd 0.5 → apiserver 3.2 → node 1.0');
  });
});

describe('for programs', () => {
  it('writes every event as a line of JSON on stdout, and text for people on stderr', async () => {
    const { stdout, stderr } = await piped('json', crashLoop);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; label?: string; done?: boolean });
    expect(lines.filter(({ type }) => type !== 'install')).toEqual(crashLoop);
    const progress = lines.filter(({ type }) => type === 'install');
    expect(progress.map(({ label }) => label)).toEqual(['building', 'building', 'building']);
    expect(progress.at(-1)).toMatchObject({ done: true, elapsedMs: 61_000 });
    expect(stderr).toContain('building: done in 1 m 01 s');
    expect(stderr).not.toContain('apiserver');
  });
});
