import { expect, it } from 'vitest';
import { Unhealthy } from '../../probes/probe.ts';
import { PermanentFailure, NotApplicable, type Check } from '../../src/smoke/check.ts';
import { apiOf } from '../../src/smoke/api.ts';
import { runChecks } from '../../src/smoke/run.ts';
import { closedPort } from '../fixtures/probes/servers.ts';

/** A point that one side waits for and the other reaches. */
function point() {
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  return { reached, reach };
}

function check(name: string, run: Check['run'], more: Partial<Check> = {}): Check {
  return { name, summary: name, needs: [], deadlineMs: 60_000, run, ...more };
}

/** Runs checks that ask no API: none is there. */
async function start(checks: readonly Check[], more: { timeoutMs?: number } = {}) {
  const [interrupt, hurry] = [new AbortController(), new AbortController()];
  const told: string[] = [];
  const api = apiOf({ server: `http://127.0.0.1:${await closedPort()}`, insecure: false });
  const results = runChecks(checks, {
    context: {
      api,
      apiAs: () => api,
      namespace: 'test',
      home: '/api/v1/namespaces/test',
      image: { name: 'none', pull: 'Never' },
      exec: async () => '',
    },
    timeoutMs: 60_000,
    watcher: {
      started: (name) => told.push(`${name} started`),
      waiting: (name, reason) => told.push(`${name} waits for ${reason}`),
      ended: (result) => told.push(`${result.check} ${result.is}`),
    },
    suspects: async () => ['not ready: the usual one'],
    signal: interrupt.signal,
    hurry: hurry.signal,
    ...more,
  });
  return { results, told, interrupt, hurry };
}

const never = async (): Promise<void> => {
  throw new Unhealthy('not yet');
};

it('runs independent checks at the same time, and others when what they need has passed', async () => {
  const [a, b] = [point(), point()];
  const { results, told } = await start([
    // Each waits for the other: one after the other would never end.
    check('a', async () => (a.reach(), b.reached)),
    check('b', async () => (b.reach(), a.reached)),
    check('c', async () => undefined, { needs: ['a', 'b'] }),
  ]);
  expect((await results).map(({ check: name, is }) => `${name} ${is}`)).toEqual([
    'a passed',
    'b passed',
    'c passed',
  ]);
  expect(told.indexOf('c started')).toBeGreaterThan(told.indexOf('a passed'));
  expect(told.indexOf('c started')).toBeGreaterThan(told.indexOf('b passed'));
});

it('skips what needs a check that failed, was skipped, or was left out, and says which', async () => {
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

it('ends a check at its own deadline with the last reason, and adds what may explain it', async () => {
  const { results, told } = await start([
    check('slow', async ({ until }) => until('the thing', never), { deadlineMs: 100 }),
    check('quick', async () => undefined),
  ]);
  expect(await results).toEqual([
    expect.objectContaining({
      is: 'failed',
      reason: 'the thing: not yet (after 0.1 s)',
      evidence: [
        'not ready: the usual one',
        expect.stringContaining('events: cannot be had: connection refused'),
        expect.stringContaining('logs: cannot be had: connection refused'),
      ],
    }),
    expect.objectContaining({ is: 'passed' }),
  ]);
  expect(told).toContain('slow waits for the thing: not yet');
});

it('ends all checks when the time of the run is over, but not the last ones', async () => {
  const { results } = await start(
    [
      check('slow', async ({ until }) => until('the thing', never)),
      check('removal', async ({ until }) => until('the end', async () => undefined), { last: true }),
    ],
    { timeoutMs: 100 },
  );
  expect((await results).map(({ is }) => is)).toEqual(['failed', 'passed']);
});

it('does not wait for what is hopeless', async () => {
  const hopeless = async (): Promise<void> => {
    throw new PermanentFailure('it will never be');
  };
  const { results } = await start([check('lost', async ({ until }) => until('the thing', hopeless))]);
  expect(await results).toEqual([expect.objectContaining({ reason: 'the thing: it will never be' })]);
});

it('interrupted, it starts nothing more, but still removes what was made, after all others have ended', async () => {
  const begun = point();
  const order: string[] = [];
  const { results, interrupt, told } = await start([
    check('under-way', async ({ until }) => {
      begun.reach();
      await until('the thing', never).finally(() => order.push('ended'));
    }),
    check('later', async () => undefined, { needs: ['under-way'] }),
    check('removal', async () => void order.push('removed'), { last: true }),
  ]);
  await begun.reached;
  interrupt.abort(new Error('interrupted'));
  expect((await results).map(({ check: name }) => name)).toEqual(['removal']);
  expect(order).toEqual(['ended', 'removed']);
  expect(told).not.toContain('later started');
});

it('interrupted twice, it does not wait for the removal either', async () => {
  const begun = point();
  const { results, interrupt, hurry } = await start([
    check('removal', async ({ until }) => (begun.reach(), until('the end', never)), { last: true }),
  ]);
  interrupt.abort(new Error('interrupted'));
  await begun.reached;
  hurry.abort(new Error('interrupted'));
  expect(await results).toEqual([]);
});
