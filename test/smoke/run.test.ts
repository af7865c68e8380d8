import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { PermanentFailure, NotApplicable, type Check } from '../../src/smoke/check.ts';
import { apiOf } from '../../src/smoke/api.ts';
import { runChecks } from '../../src/smoke/run.ts';
import { closedPort } from '../fixtures/probes/servers.ts';

/** A promise, and the function that resolves it. */
function latch() {
  let set = (): void => undefined;
  const wait = new Promise<void>((resolve) => (set = resolve));
  return { wait, set };
}

function check(name: string, run: Check['run'], more: Partial<Check> = {}): Check {
  return { name, summary: name, needs: [], deadlineMs: 60_000, run, ...more };
}

/** Runs checks without an API server. */
async function start(checks: readonly Check[], more: { timeoutMs?: number } = {}) {
  const [interrupt, interruptCleanup] = [new AbortController(), new AbortController()];
  const events: string[] = [];
  const api = apiOf({ server: `http://127.0.0.1:${await closedPort()}`, insecure: false });
  const results = runChecks(checks, {
    context: {
      api,
      apiAs: () => api,
      namespace: 'test',
      namespacePath: '/api/v1/namespaces/test',
      image: { name: 'none', pull: 'Never' },
      exec: async () => '',
      stream: () => {
        throw new Error('no pod');
      },
    },
    timeoutMs: 60_000,
    watcher: {
      started: (name) => events.push(`${name} started`),
      waiting: (name, reason) => events.push(`${name} waits for ${reason}`),
      ended: (result) => events.push(`${result.check} ${result.outcome}`),
    },
    suspects: async () => ['not ready: the usual one'],
    signal: interrupt.signal,
    cleanupSignal: interruptCleanup.signal,
    ...more,
  });
  return { results, events, interrupt, interruptCleanup };
}

const never = async (): Promise<void> => {
  throw new Unhealthy('not yet');
};

it('runs independent checks concurrently, and others when those they need have passed', async () => {
  const [a, b] = [latch(), latch()];
  const { results, events } = await start([
    // Each waits for the other: run one after the other, they would never end.
    check('a', async () => (a.set(), b.wait)),
    check('b', async () => (b.set(), a.wait)),
    check('c', async () => undefined, { needs: ['a', 'b'] }),
  ]);
  expect((await results).map(({ check: name, outcome }) => `${name} ${outcome}`)).toEqual([
    'a passed',
    'b passed',
    'c passed',
  ]);
  expect(events.indexOf('c started')).toBeGreaterThan(events.indexOf('a passed'));
  expect(events.indexOf('c started')).toBeGreaterThan(events.indexOf('b passed'));
});

it('skips a check that needs one that failed, was skipped or left out, and names it', async () => {
  const { results } = await start([
    check('bad', async () => Promise.reject(new Error('it is broken'))),
    check('absent', async () => Promise.reject(new NotApplicable('it is not installed'))),
    check('behind-bad', async () => undefined, { needs: ['bad'] }),
    check('behind-absent', async () => undefined, { needs: ['absent'] }),
    check('behind-nothing', async () => undefined, { needs: ['elsewhere'] }),
    check('further', async () => undefined, { needs: ['behind-bad'] }),
  ]);
  expect((await results).map((result) => ('reason' in result ? result.reason : ''))).toEqual([
    'it is broken',
    'it is not installed',
    'needs bad, which failed',
    'needs absent, which was skipped',
    'needs elsewhere, which was left out',
    'needs behind-bad, which was skipped',
  ]);
});

it('ends a check at its own deadline with the last reason and evidence', async () => {
  const { results, events } = await start([
    check('slow', async ({ until }) => until('the thing', never), { deadlineMs: 100 }),
    check('quick', async () => undefined),
  ]);
  expect(await results).toEqual([
    expect.objectContaining({
      outcome: 'failed',
      reason: 'the thing: not yet (after 0.1 s)',
      evidence: [
        'not ready: the usual one',
        expect.stringContaining('events: cannot be read: connection refused'),
        expect.stringContaining('logs: cannot be read: connection refused'),
      ],
    }),
    expect.objectContaining({ outcome: 'passed' }),
  ]);
  expect(events).toContain('slow waits for the thing: not yet');
});

it('ends all checks at the time limit of the run, but not the clean-up', async () => {
  const { results } = await start(
    [
      check('slow', async ({ until }) => until('the thing', never)),
      check('removal', async ({ until }) => until('the end', async () => undefined), { last: true }),
    ],
    { timeoutMs: 100 },
  );
  expect((await results).map(({ outcome }) => outcome)).toEqual(['failed', 'passed']);
});

it('does not wait after a permanent failure', async () => {
  const permanent = async (): Promise<void> => {
    throw new PermanentFailure('it will never be');
  };
  const { results } = await start([check('lost', async ({ until }) => until('the thing', permanent))]);
  expect(await results).toEqual([expect.objectContaining({ reason: 'the thing: it will never be' })]);
});

it('interrupted, it starts no more checks and runs the clean-up after the others have ended', async () => {
  const started = latch();
  const order: string[] = [];
  const { results, interrupt, events } = await start([
    check('under-way', async ({ until }) => {
      started.set();
      await until('the thing', never).finally(() => order.push('ended'));
    }),
    check('later', async () => undefined, { needs: ['under-way'] }),
    check('removal', async () => void order.push('removed'), { last: true }),
  ]);
  await started.wait;
  interrupt.abort(new Error('interrupted'));
  expect((await results).map(({ check: name }) => name)).toEqual(['removal']);
  expect(order).toEqual(['ended', 'removed']);
  expect(events).not.toContain('later started');
});

it('interrupted twice, it does not wait for the clean-up either', async () => {
  const started = latch();
  const { results, interrupt, interruptCleanup } = await start([
    check('removal', async ({ until }) => (started.set(), until('the end', never)), { last: true }),
  ]);
  interrupt.abort(new Error('interrupted'));
  await started.wait;
  interruptCleanup.abort(new Error('interrupted'));
  expect(await results).toEqual([]);
});
