import { describe, expect, it } from 'vitest';
import { describeSummary } from '../../../src/observe/state/describe.ts';
import { LiveState, replay, summarize } from '../../../src/observe/state/state.ts';
import { at, begin, crashLoop, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);

describe('the state of a component', () => {
  it('waits for nothing before its first event', () => {
    expect(new LiveState(['a'], begin).components.get('a')).toMatchObject({
      phase: 'waiting',
      on: [],
      since: begin,
      restarts: 0,
    });
  });

  it('keeps since while the list it waits for gets shorter', () => {
    const state = replay(names, goodBoot.slice(0, 13));
    expect(state.get('node')).toMatchObject({ phase: 'waiting', on: ['apiserver'], since: begin });
  });

  it('has the reason why it is not ready, until it is', () => {
    expect(replay(names, goodBoot.slice(0, 11)).get('apiserver')).toMatchObject({
      phase: 'starting',
      pid: 13,
      since: begin + 810,
      reason: 'connection refused',
    });
    expect(replay(names, goodBoot).get('apiserver')).toMatchObject({
      phase: 'ready',
      ms: 3190,
      reason: undefined,
      lastProbe: 'connection refused',
    });
  });

  it('has no process after an exit, and the time of the next start', () => {
    const state = replay(names, crashLoop.slice(0, 13)).get('apiserver');
    expect(state).toMatchObject({ phase: 'down', pid: undefined, since: begin + 1000, nextAt: begin + 1510 });
    expect(state?.exit?.lastLines).toEqual(['starting up', 'bad flag: --x']);
  });

  it('counts starts after the first as restarts', () => {
    expect(replay(names, crashLoop.slice(0, 14)).get('apiserver')).toMatchObject({
      phase: 'starting',
      restarts: 1,
    });
  });

  it('stays failed while the rest is stopped, so that the reason is kept', () => {
    const end = replay(names, crashLoop);
    expect(end.get('apiserver')).toMatchObject({
      phase: 'failed',
      reason: 'exited with code 1: bad flag: --x',
    });
    expect(end.get('etcd')).toMatchObject({ phase: 'stopped', pid: undefined });
  });

  it('stays stopping when its process exits', () => {
    const stopping = replay(
      ['a'],
      [
        at(0, 'a', { type: 'starting', attempt: 1, pid: 5 }),
        at(1, 'a', { type: 'stopping' }),
        at(2, 'a', { type: 'exited', reason: 'killed by SIGTERM', lastLines: [] }),
      ],
    );
    expect(stopping.get('a')?.phase).toBe('stopping');
  });

  it('is down when unhealthy, with its process still there', () => {
    const state = replay(names, [...goodBoot, at(9000, 'etcd', { type: 'unhealthy', reason: 'timed out' })]);
    expect(state.get('etcd')).toMatchObject({ phase: 'down', pid: 11, reason: 'timed out' });
  });

  it('appends unknown components, and returns the state before', () => {
    const state = new LiveState(['a'], begin);
    expect(state.add(at(1, 'b', { type: 'stopped' })).phase).toBe('waiting');
    expect(state.add(at(2, 'b', { type: 'starting', attempt: 1 })).phase).toBe('stopped');
    expect([...state.components.keys()]).toEqual(['a', 'b']);
  });

  it('is ready when every component is, each time', () => {
    const state = new LiveState(['a', 'b'], begin);
    const ready = (component: string): boolean => {
      state.add(at(1, component, { type: 'ready', ms: 1 }));
      return state.isReady;
    };
    expect([ready('a'), ready('a'), ready('b')]).toEqual([false, false, true]);
    state.add(at(2, 'a', { type: 'unhealthy', reason: 'x' }));
    expect(state.isReady).toBe(false);
    expect(ready('a')).toBe(true);
  });
});

describe('the summary of the node', () => {
  it.each([
    [goodBoot.slice(0, 1), 'waiting for pki'],
    [goodBoot.slice(0, 10), 'waiting for apiserver, kubelet'],
    [goodBoot, 'ready'],
    [[...goodBoot, at(6000, 'etcd', { type: 'unhealthy' as const, reason: 'x' })], 'waiting for etcd'],
    [crashLoop, 'failed: apiserver'],
    [
      [...goodBoot, at(6000, 'node', { type: 'stopping' as const })],
      'stopping pki, etcd, apiserver, kubelet, node',
    ],
    [names.map((name) => at(0, name, { type: 'stopped' as const })), 'stopped'],
    [[], 'starting'],
  ])('case %#', (events, text) => {
    expect(describeSummary(summarize(replay(names, events)))).toBe(text);
  });
});
