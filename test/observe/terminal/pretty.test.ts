import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { createReporter } from '../../../src/observe/terminal/reporter.ts';
import { at, begin, crashLoop, goodBoot, stages } from '../boots.ts';
import { FakeTerminal } from '../fakeTerminal.ts';

async function onTerminal(
  events: readonly Event[],
  terminal = new FakeTerminal(),
  env = {},
): Promise<FakeTerminal> {
  let time = begin;
  const reporter = await createReporter({ output: 'auto', stages, stderr: terminal, env, now: () => time });
  for (const event of events) {
    time = event.at;
    reporter.emit(event);
  }
  await reporter.end();
  return terminal;
}

describe('on a terminal', () => {
  it('shows one line per component, with the reason why it is not ready', async () => {
    const { screen } = await onTerminal(goodBoot.slice(0, 11));
    expect(screen).toBe(
      [
        '  ✓ pki        ready         0.3 s',
        '  ✓ etcd       ready         0.5 s',
        '  ~ apiserver  starting      0.1 s  connection refused',
        '  ~ kubelet    starting      0.6 s',
        '  · node       waiting              for apiserver, kubelet',
        '',
        '  2 of 5 ready, 0.9 s, waiting for apiserver, kubelet',
      ].join('\n'),
    );
  });

  it('ends with the time it took and the critical path', async () => {
    const { screen } = await onTerminal(goodBoot);
    expect(screen).toBe(
      [
        '  ✓ pki        ready         0.3 s',
        '  ✓ etcd       ready         0.5 s',
        '  ✓ apiserver  ready         3.2 s',
        '  ✓ kubelet    ready         1.2 s',
        '  ✓ node       ready         1.0 s',
        '',
        '  ready in 5.0 s',
        '  critical path, in s: pki 0.3 → etcd 0.5 → apiserver 3.2 → node 1.0',
      ].join('\n'),
    );
  });

  it('keeps warnings and errors above the table', async () => {
    const { screen } = await onTerminal(crashLoop.slice(0, 16));
    expect(screen).toBe(
      [
        '      1.0 s  apiserver  exited with code 1: bad flag: --x',
        '      1.0 s  apiserver  restarting in 0.5 s',
        '      1.6 s  apiserver  exited with code 1: bad flag: --x',
        '      1.6 s  apiserver  given up: exited with code 1: bad flag: --x',
        '  ✓ pki        ready         0.3 s',
        '  ✓ etcd       ready         0.5 s',
        '  ✗ apiserver  failed        0.0 s  1 restart, exited with code 1: bad flag: -…',
        '  ~ kubelet    starting      1.3 s',
        '  · node       waiting              for apiserver, kubelet',
        '',
        '  2 of 5 ready, 1.6 s, failed: apiserver',
      ].join('\n'),
    );
  });

  it('cuts a long or hostile reason to one line', async () => {
    const reason = `\u001b[2Jline one\nline two ${'x'.repeat(100)}`;
    const events = [
      at(0, 'etcd', { type: 'starting', attempt: 1 }),
      at(0, 'etcd', { type: 'probing', reason }),
    ];
    const { screen } = await onTerminal(events, new FakeTerminal(60));
    expect(screen.split('\n')[1]).toBe('  ~ etcd       starting      0.0 s  line one line two xxxx…');
  });

  it('shows the most important components where there is no room, and counts the rest', async () => {
    const { screen } = await onTerminal(goodBoot.slice(0, 11), new FakeTerminal(60, 6));
    expect(screen).toBe(
      [
        '  ~ apiserver  starting      0.1 s  connection refused',
        '  ~ kubelet    starting      0.6 s',
        '  and 3 more: 2 ready, 1 waiting',
        '',
        '  2 of 5 ready, 0.9 s, waiting for apiserver, kubelet',
      ].join('\n'),
    );
  });

  it('draws over its own lines when the terminal became narrower', async () => {
    const terminal = new FakeTerminal(80);
    const reporter = await createReporter({
      output: 'auto',
      stages,
      stderr: terminal,
      env: {},
      now: () => begin,
    });
    for (const event of goodBoot.slice(0, 10)) reporter.emit(event);
    const before = terminal.raw.length;
    terminal.columns = 20;
    terminal.emit('resize');
    await reporter.end();
    const up = /^.\[(\d+)A/.exec(terminal.raw.slice(before))?.[1];
    expect(Number(up)).toBe(2 + 2 + 2 + 2 + 3 + 1 + 3);
  });

  it('lists the remaining components while it stops', async () => {
    const stopping = [
      ...goodBoot,
      at(6000, 'node', { type: 'stopped' }),
      at(6000, 'kubelet', { type: 'stopping' }),
    ] as const;
    expect((await onTerminal(stopping)).screen.split('\n').slice(3)).toEqual([
      '  ~ kubelet    stopping      0.0 s',
      '  - node       stopped',
      '',
      '  stopping pki, etcd, apiserver, kubelet',
    ]);
  });

  it('shows slow steps before the graph starts, and those that are done', async () => {
    let time = begin;
    const terminal = new FakeTerminal(60);
    const reporter = await createReporter({
      output: 'auto',
      stages,
      stderr: terminal,
      env: {},
      now: () => time,
    });
    reporter.progress({ label: 'downloading', elapsedMs: 2000, done: true });
    reporter.progress({ label: 'building Kubernetes', detail: 'kube-apiserver', elapsedMs: 61_000 });
    time += 60_000;
    reporter.print('two\n  lines');
    await reporter.end();
    expect(terminal.screen).toBe(
      [
        '  ✓ downloading  2.0 s',
        'two',
        '  lines',
        '  ~ building Kubernetes             2 m 01 s  kube-apiserv…',
      ].join('\n'),
    );
  });

  it('shows a bar for each transfer whose size is known', async () => {
    const terminal = new FakeTerminal(80);
    const options = { output: 'auto', stages, stderr: terminal, env: {}, now: () => begin } as const;
    const reporter = await createReporter(options);
    const transfer = { bytes: 45, bytesPerSecond: 10 };
    reporter.progress({
      label: 'kubelet',
      detail: '5 s left',
      elapsedMs: 4000,
      transfer: { ...transfer, total: 100 },
    });
    reporter.progress({ label: 'etcd', detail: '45 B', elapsedMs: 4000, transfer });
    await reporter.end();
    expect(terminal.screen).toBe(
      [
        '  ~ kubelet                4.0 s  ████░░░░░░  45 %  5 s left',
        '  ~ etcd                   4.0 s  45 B',
      ].join('\n'),
    );
  });

  it('uses colour unless NO_COLOR is set', async () => {
    expect((await onTerminal(goodBoot)).raw).toContain('\u001b[32m✓');
    expect((await onTerminal(goodBoot, new FakeTerminal(), { NO_COLOR: '1' })).raw).not.toContain(
      '\u001b[32m',
    );
  });

  it('does not redraw an unchanged frame', async () => {
    const once = (await onTerminal(goodBoot)).raw;
    const twice = (await onTerminal([...goodBoot, at(5000, 'pki', { type: 'ready', ms: 300 })])).raw;
    expect(twice).toBe(once);
  });

  it('prints plain lines where the cursor cannot be moved', async () => {
    const { raw } = await onTerminal(goodBoot, new FakeTerminal(), { TERM: 'dumb' });
    expect(raw).not.toContain('\u001b');
    expect(raw).toContain('apiserver  ready in 3.2 s');
  });
});
