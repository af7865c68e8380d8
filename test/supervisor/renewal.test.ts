import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Emit } from '../../src/engine/component.ts';
import type { Renewal } from '../../src/kubernetes/components/certificates.ts';
import { LiveState } from '../../src/observe/state/state.ts';
import { keepRenewed } from '../../src/supervisor/renewal.ts';

const order = ['etcd', 'apiserver', 'scheduler', 'dns'];

/** A node whose components are ready a second after each start, and its certificates, on a simulated clock. */
function fakeNode() {
  const live = new LiveState(order, Date.now());
  const log: string[] = [];
  const certificates = new Map(order.map((name) => [name, 'old']));
  const due = new Set<string>();
  const dead = new Set<string>();
  let pid = 0;
  const emitter = new EventEmitter();
  const set = (component: string, event: object): void => {
    live.add({ component, at: Date.now(), ...event } as never);
    emitter.emit('event', { component, ...event });
  };
  const subscribe = (emit: Emit) => {
    emitter.on('event', emit);
    return () => void emitter.off('event', emit);
  };
  const start = (name: string): void => {
    set(name, { type: 'starting', attempt: 1, pid: (pid += 1) });
    // oxlint-disable-next-line no-restricted-globals -- on the simulated clock
    setTimeout(() => {
      if (dead.has(name)) return set(name, { type: 'exited', reason: 'it fails', lastLines: [] });
      set(name, { type: 'ready', ms: 1000 });
      log.push(`${name} is ready`);
    }, 1000);
  };
  const restart = async (name: string): Promise<void> => {
    log.push(`restart ${name}`);
    set(name, { type: 'stopping' });
    set(name, { type: 'stopped' });
    start(name);
  };
  for (const name of order) start(name);
  const print = (line: string): void => void log.push(line);
  const renewal = {
    due: () => order.filter((name) => due.has(name)).map((name) => `${name}.crt expires`),
    renew: async () => {
      for (const name of due) certificates.set(name, 'new');
      due.clear();
    },
    rotate: async (): Promise<string | undefined> => undefined,
    signatureOf: (name: string) => certificates.get(name) ?? '',
  } satisfies Renewal;
  const node = { graph: { restart }, state: () => live.components, subscribe, order, print };
  return { node, renewal, log, set, start, certificates, due, dead };
}

/** Runs it until everything is ready, and until it has looked once. */
async function settled(fake: ReturnType<typeof fakeNode>, renewal: Renewal = fake.renewal): Promise<void> {
  void keepRenewed(renewal, fake.node, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fake.log.splice(0)).toEqual(order.map((name) => `${name} is ready`));
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('certificates that are due', () => {
  it('are renewed, and their users restarted in order, one at a time, once', async () => {
    const fake = fakeNode();
    await settled(fake);
    for (const name of ['scheduler', 'etcd', 'apiserver']) fake.due.add(name);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(fake.log).toEqual([
      'certificates renewed: etcd.crt expires, apiserver.crt expires, scheduler.crt expires',
      'restart etcd',
      'etcd is ready',
      'restart apiserver',
      'apiserver is ready',
      'restart scheduler',
      'scheduler is ready',
    ]);
  });

  it('are tried again and said once; those that could be renewed are used meanwhile', async () => {
    const fake = fakeNode();
    let isFull = true;
    const renew = async (): Promise<void> => {
      if (!isFull) return fake.renewal.renew();
      fake.certificates.set('etcd', 'new');
      fake.due.delete('etcd');
      throw new Error('the disk is full');
    };
    await settled(fake, { ...fake.renewal, renew });
    for (const name of ['etcd', 'dns']) fake.due.add(name);
    await vi.advanceTimersByTimeAsync(180_000);
    expect(fake.log.splice(0)).toEqual([
      'certificates: the disk is full',
      'certificates renewed: etcd.crt expires',
      'restart etcd',
      'etcd is ready',
    ]);
    isFull = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fake.log).toEqual(['certificates renewed: dns.crt expires', 'restart dns', 'dns is ready']);
  });

  it('restart no component that is stopped, nor one that has started since', async () => {
    const fake = fakeNode();
    await settled(fake);
    fake.set('dns', { type: 'stopped' });
    for (const name of order) fake.certificates.set(name, 'new by a restart of etcd');
    fake.start('etcd');
    await vi.advanceTimersByTimeAsync(120_000);
    expect(fake.log).toEqual([
      'etcd is ready',
      'restart apiserver',
      'apiserver is ready',
      'restart scheduler',
      'scheduler is ready',
    ]);
  });

  it('leave no component out when one before it does not become ready', async () => {
    const fake = fakeNode();
    await settled(fake);
    fake.dead.add('apiserver');
    for (const name of ['apiserver', 'scheduler']) fake.due.add(name);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(fake.log).toEqual([
      'certificates renewed: apiserver.crt expires, scheduler.crt expires',
      'restart apiserver',
      'certificates: not ready after 120.0 s: apiserver is down',
      'restart scheduler',
      'scheduler is ready',
    ]);
  });
});

describe('CAs that are rotated', () => {
  it('take the next step when all that uses the last one has been restarted', async () => {
    const fake = fakeNode();
    const steps = ['trust', 'sign', 'forget'];
    const rotate = async (): Promise<string | undefined> => {
      expect([...fake.node.state().values()].map(({ phase }) => phase)).toEqual(order.map(() => 'ready'));
      const step = steps.shift();
      if (step !== undefined) for (const name of order) fake.certificates.set(name, step);
      return step;
    };
    void keepRenewed({ ...fake.renewal, rotate }, fake.node, new AbortController().signal);
    await vi.advanceTimersByTimeAsync(120_000);
    const restarts = order.flatMap((name) => [`restart ${name}`, `${name} is ready`]);
    expect(fake.log).toEqual([
      ...order.map((name) => `${name} is ready`),
      ...['trust', 'sign', 'forget'].flatMap((step) => [`certificates: ${step}`].concat(restarts)),
    ]);
  });

  it('wait for a component that has not been restarted', async () => {
    const fake = fakeNode();
    const steps = ['trust', 'sign'];
    const rotate = async (): Promise<string | undefined> => {
      const step = steps.shift();
      if (step !== undefined) fake.certificates.set('dns', step);
      return step;
    };
    const restart = async (name: string): Promise<void> => {
      throw new Error(`${name} is not restarted`);
    };
    const node = { ...fake.node, graph: { restart } };
    void keepRenewed({ ...fake.renewal, rotate }, node, new AbortController().signal);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(fake.log.slice(order.length)).toEqual([
      'certificates: trust',
      'certificates: dns is not restarted',
    ]);
  });
});
