import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import type { Task } from '../../src/engine/component.ts';
import { replay } from '../../src/observe/state/state.ts';
import { testGraph, shell } from '../support/engine.ts';

/** A task whose result can be lost, and the state of the world. */
function watched(world: { lost: string | undefined; broken: string | undefined; runs: number }): Task {
  return {
    kind: 'task',
    name: 'a',
    needs: [],
    run: async () => {
      world.runs += 1;
      if (world.broken !== undefined) throw new Error(world.broken);
      world.lost = undefined;
    },
    live: async () => {
      if (world.lost !== undefined) throw new Unhealthy(world.lost);
    },
    liveTiming: { periodMs: 20, failureThreshold: 2 },
  };
}

it('a task is not ready while what it has achieved is lost, and is done again without a restart', async () => {
  const world = { lost: undefined as string | undefined, broken: undefined as string | undefined, runs: 0 };
  const t = await testGraph();
  const running = t.up([watched(world), shell('b', 'sleep 60', {}, { needs: ['a'] })]);
  await running.ready;
  await t.next('a', 'ready');
  world.broken = 'still no room';
  world.lost = 'the disk is full';
  expect((await t.next('a', 'unhealthy')).reason).toBe('the disk is full');
  expect((await t.next('a', 'probing')).reason).toBe('still no room');
  const down = replay(['a', 'b'], t.events);
  expect(down.get('a')).toMatchObject({ phase: 'down', reason: 'still no room', restarts: 0 });
  // It keeps running, as when any other dependency is lost.
  expect(down.get('b')).toMatchObject({ phase: 'ready' });
  world.broken = undefined;
  await t.next('a', 'ready');
  expect(replay(['a', 'b'], t.events).get('a')).toMatchObject({ phase: 'ready', restarts: 0 });
  expect(world.runs).toBeGreaterThanOrEqual(3);
  await running.down();
});

it('a task that waits for what it has lost can be stopped', async () => {
  const world = { lost: undefined as string | undefined, broken: undefined as string | undefined, runs: 0 };
  const t = await testGraph();
  const running = t.up([watched(world)]);
  await running.ready;
  world.broken = 'never again';
  world.lost = 'gone';
  await t.next('a', 'probing');
  await running.down();
  expect(replay(['a'], t.events).get('a')?.phase).toBe('stopped');
});
