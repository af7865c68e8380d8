import { describe, it } from 'vitest';
import { restartDefaults } from '../../../src/engine/component.ts';
import { healthy } from './scenario.ts';
import type { Order, Plan, Scenario } from './scenario.ts';
import { Simulator } from './simulate.ts';

const usual: Omit<Plan, 'name'> = {
  kind: 'service',
  needs: [],
  restart: { ...restartDefaults, onFailure: 'keepOthers' },
  graceMs: 1000,
  timeoutMs: 3000,
  commandMs: undefined,
  hasPorts: true,
  hasLive: false,
  lives: [],
  isLooping: false,
};

function plan(name: string, more: Partial<Plan>): Plan {
  return { ...usual, name, ...more };
}

function needs(on: string, more: Partial<Plan['needs'][number]> = {}): Plan['needs'] {
  return [{ on, whenLost: 'keep', condition: 'ready', ...more }];
}

function order(atMs: number, what: Order['what'], component: string, isCascade = false): Order {
  return { atMs, what, component, isCascade };
}

const stubborn = { ...healthy, termMs: Infinity };
const unkillable = { ...stubborn, killMs: 50_000 };
const prepared = { commandMs: 1000 };

/** Each was found by the simulation of random graphs, and broke a promise that the witness knows. */
const found: Record<string, Partial<Scenario> & Pick<Scenario, 'plans'>> = {
  'a dependency that is lost while a start is prepared is waited for again': {
    plans: [
      plan('a', { lives: [{ ...healthy, exitMs: 500 }] }),
      plan('b', { ...prepared, needs: needs('a'), restart: { ...restartDefaults, delayMs: 2000 } }),
    ],
  },
  'a restart with dependents leaves stopped what a request has stopped': {
    plans: [plan('a', {}), plan('b', { needs: needs('a') })],
    orders: [order(200, 'stop', 'b'), order(400, 'restart', 'a', true)],
  },
  'a request to stop ends a restart that is under way': {
    plans: [plan('a', { lives: [stubborn] })],
    orders: [order(200, 'restart', 'a'), order(600, 'stop', 'a')],
  },
  'a boot does not wait for what a request has stopped': {
    plans: [plan('a', {}), plan('b', { needs: needs('a', { condition: 'started' }), commandMs: 1000 })],
    orders: [order(200, 'stop', 'b')],
    bootTimeoutMs: 3999,
  },
  'nothing is started that is about to be stopped': {
    plans: [
      plan('a', { lives: [{ ...healthy, exitMs: 500 }], restart: { ...restartDefaults, delayMs: 0 } }),
      plan('b', { needs: needs('a'), lives: [stubborn] }),
    ],
    orders: [order(200, 'stop', 'a', true)],
  },
  'an exit is no failure of what is about to be stopped': {
    plans: [
      plan('a', {
        lives: [{ ...healthy, exitMs: 500 }],
        restart: { ...restartDefaults, when: 'never', onFailure: 'stopAll' },
      }),
      plan('b', { needs: needs('a'), lives: [stubborn] }),
    ],
    orders: [order(200, 'stop', 'a', true)],
  },
  'a service is not started beside a process that SIGKILL does not end': {
    plans: [plan('a', { hasLive: true, lives: [{ ...unkillable, unhealthyMs: 0 }] })],
  },
  'nor is a task that was not done in time': {
    plans: [
      plan('a', { kind: 'program', restart: { ...usual.restart, delayMs: 0 }, lives: [unkillable] }),
      plan('b', {}),
    ],
  },
  'a stop says what it cannot end, and stops the rest': {
    plans: [plan('a', {}), plan('b', { needs: needs('a'), lives: [unkillable] })],
    downAtMs: 200,
  },
  'a program that has failed no longer counts as started while its group ends': {
    plans: [
      plan('a', {
        kind: 'program',
        restart: { ...usual.restart, when: 'never' },
        graceMs: 10_000,
        lives: [{ ...healthy, exitMs: 50, exitCode: 1, orphanMs: 4000 }],
      }),
      plan('b', {
        needs: needs('a', { condition: 'started' }),
        restart: { ...restartDefaults, delayMs: 0 },
        lives: [{ ...healthy, exitMs: 900, exitCode: 1 }],
      }),
    ],
  },
};

describe('what simulations have found', () => {
  it.each(Object.entries(found))('%s', async (_name, scenario) => {
    using simulator = new Simulator();
    const rest = { orders: [], bootTimeoutMs: 600_000, downAtMs: undefined, hurryMs: undefined, jitter: 1 };
    await simulator.run({ ...rest, ...scenario });
  });
});
