import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Renewal } from '../../src/kubernetes/components/certificates.ts';
import { LiveState } from '../../src/observe/state/state.ts';
import { keepRenewed } from '../../src/supervisor/renewal.ts';

/** A node whose components are ready a second after each restart, on a simulated clock. */
function fakeNode(names: readonly string[]) {
  const live = new LiveState(names, Date.now());
  const log: string[] = [];
  const set = (component: string, event: object): void =>
    void live.add({ component, at: Date.now(), ...event } as never);
  const start = (name: string): void => {
    set(name, { type: 'starting', attempt: 1, pid: 1 });
    // oxlint-disable-next-line no-restricted-globals -- on the simulated clock
    setTimeout(() => {
      set(name, { type: 'ready', ms: 1000 });
      log.push(`${name} is ready`);
    }, 1000);
  };
  const restart = async (name: string): Promise<void> => {
    log.push(`restart ${name}`);
    set(name, { type: 'stopping' });
    set(name, { type: 'stopped' });
    start(name);
    // As the edge between them says.
    if (name === 'etcd' && live.components.get('apiserver')?.phase === 'ready') {
      set('apiserver', { type: 'stopping' });
      start('apiserver');
    }
  };
  for (const name of names) set(name, { type: 'ready', ms: 1 });
  const print = (line: string): void => void log.push(line);
  return { node: { graph: { restart }, state: () => live.components, order: names, print }, log, set };
}

const order = ['etcd', 'apiserver', 'scheduler', 'dns'];
const end = new AbortController();

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('certificates that are due', () => {
  it('are renewed, and their users restarted in order, one at a time, none twice', async () => {
    const { node, log } = fakeNode(order);
    let due = ['etcd.crt expires soon'];
    const renewal: Renewal = {
      due: () => due,
      renew: async () => {
        due = [];
        return new Set(['scheduler', 'apiserver', 'etcd', 'helper']);
      },
    };
    void keepRenewed(renewal, node, end.signal);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(log).toEqual([
      'certificates renewed: etcd.crt expires soon',
      'restart etcd',
      'etcd is ready',
      'apiserver is ready',
      'restart scheduler',
      'scheduler is ready',
    ]);
  });

  it('are tried again, said once; a component that is stopped stays so', async () => {
    const { node, log, set } = fakeNode(order);
    set('dns', { type: 'stopped' });
    let due = ['dns.crt expires soon'];
    let calls = 0;
    const renewal: Renewal = {
      due: () => due,
      renew: async () => {
        calls += 1;
        if (calls < 4) throw new Error('the disk is full');
        due = [];
        return new Set(['dns', 'scheduler']);
      },
    };
    void keepRenewed(renewal, node, end.signal);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(log).toEqual([
      'certificates: the disk is full',
      'certificates renewed: dns.crt expires soon',
      'restart scheduler',
      'scheduler is ready',
    ]);
  });

  it('leave no component out when one before it does not become ready', async () => {
    const { node, log, set } = fakeNode(order);
    let due = ['all expire soon'];
    const renewal: Renewal = {
      due: () => due,
      renew: async () => {
        due = [];
        return new Set(['apiserver', 'scheduler']);
      },
    };
    set('apiserver', { type: 'exited', reason: 'it fails', lastLines: [] });
    void keepRenewed(renewal, node, end.signal);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(log).toEqual([
      'certificates renewed: all expire soon',
      'certificates: not ready after 120.0 s: apiserver is down',
    ]);
    set('apiserver', { type: 'starting', attempt: 2, pid: 2 });
    set('apiserver', { type: 'ready', ms: 10 });
    await vi.advanceTimersByTimeAsync(100_000);
    expect(log.slice(2)).toEqual(['restart scheduler', 'scheduler is ready']);
  });
});
