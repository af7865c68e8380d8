import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { summarize, replay } from '../../src/observe/state/state.ts';
import { notReadyLines, statusOf } from '../../src/observe/state/status.ts';
import { shell, task, testGraph } from '../support/engine.ts';

const names = ['extra', 'main'];

it('a graph is ready without an optional component, which goes on trying without a time limit', async () => {
  const t = await testGraph();
  const extra = {
    ...task('extra', ['main'], async (signal, report) => {
      report('waiting for a pod');
      await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
    }),
    optional: true,
    timeoutMs: Number.POSITIVE_INFINITY,
  };
  const running = t.up([extra, shell('main', 'sleep 60', {})], { timeoutMs: 20_000 });
  await running.ready;
  await t.next('extra', 'probing');
  const state = replay(names, t.events);
  expect(summarize(state)).toEqual({ phase: 'ready' });
  expect(notReadyLines(state, 0)).toEqual([]);
  expect(statusOf('x', state, new Map(), 0)).toMatchObject({
    ready: true,
    components: [
      { name: 'extra', state: 'starting', optional: true, reason: 'waiting for a pod' },
      { name: 'main', state: 'ready' },
    ],
  });
  expect(statusOf('x', state, new Map(), 0).components[1]).not.toHaveProperty('optional');
  await running.down();
});

it('an optional component that fails for good leaves the node ready', async () => {
  const t = await testGraph();
  const failing = { ...task('extra', [], async () => Promise.reject(new Unhealthy('no'))), optional: true };
  const kept = { ...failing, restart: { onFailure: 'keepOthers' as const } };
  const running = t.up([kept, shell('main', 'sleep 60', {})]);
  await running.ready;
  await t.next('extra', 'failed');
  const state = replay(names, t.events);
  expect(summarize(state)).toEqual({ phase: 'ready' });
  await running.down();
});

it('a component that needs an optional one is waited for', async () => {
  const t = await testGraph();
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const extra = { ...task('extra', [], async () => opened), optional: true };
  const running = t.up([extra, task('main', ['extra'], async () => undefined)]);
  await t.next('main', 'waiting');
  expect(summarize(replay(names, t.events)).phase).toBe('starting');
  open();
  await running.ready;
  expect(summarize(replay(names, t.events))).toEqual({ phase: 'ready' });
  await running.down();
});
