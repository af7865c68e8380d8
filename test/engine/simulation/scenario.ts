import * as fc from 'fast-check';
import { restartDefaults } from '../../../src/engine/component.ts';
import type { Dependency, RestartPolicy } from '../../../src/engine/component.ts';
import type { Life } from './machine.ts';

/** `program`: a task with a program; `function`: a task with a function. */
type Kind = 'service' | 'program' | 'function';

/** A component, and what each of its runs will do. */
export interface Plan {
  readonly name: string;
  readonly kind: Kind;
  readonly needs: readonly Exclude<Dependency, string>[];
  readonly restart: RestartPolicy;
  readonly graceMs: number;
  readonly timeoutMs: number;
  /** How long the function takes that gives the command. Undefined: the command is known. */
  readonly commandMs: number | undefined;
  /** Without ports, its ready probe is run before its first start. */
  readonly hasPorts: boolean;
  readonly hasLive: boolean;
  readonly lives: readonly Life[];
  /** The last life is repeated forever; otherwise a healthy one follows that does not end. */
  readonly isLooping: boolean;
}

/** A request from the control socket. */
export interface Order {
  readonly atMs: number;
  readonly what: 'start' | 'stop' | 'restart';
  readonly component: string;
  readonly isCascade: boolean;
}

export interface Scenario {
  readonly plans: readonly Plan[];
  readonly orders: readonly Order[];
  readonly bootTimeoutMs: number;
  /** Undefined: when nothing changes any more. */
  readonly downAtMs: number | undefined;
  /** A second `down` follows after so long. */
  readonly hurryMs: number | undefined;
  /** For the jitter of the back-off. */
  readonly jitter: number;
}

/** A life that is ready soon, stays healthy, and ends soon when asked to. */
export const healthy: Life = {
  spawn: 'ok',
  readyMs: 20,
  exitMs: Infinity,
  exitCode: 0,
  termMs: 5,
  killMs: 1,
  orphanMs: 0,
  unhealthyMs: Infinity,
  probeMs: 1,
};

/** That of a task's program. */
export const successful: Life = { ...healthy, exitMs: 30 };

/** The value that is most likely comes first, and is what a failing scenario is shrunk to. */
function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );
}

const life: fc.Arbitrary<Life> = fc.record({
  spawn: fc.oneof(
    { weight: 30, arbitrary: fc.constant('ok' as const) },
    { weight: 2, arbitrary: fc.constant('EAGAIN' as const) },
    { weight: 1, arbitrary: fc.constant('ENOENT' as const) },
  ),
  readyMs: mostly(healthy.readyMs, 0, 400, 1500, Infinity),
  exitMs: mostly(Infinity, 0, 10, 60, 900, 1100, 2600, 7000),
  exitCode: mostly(1, 0, 2),
  termMs: mostly(healthy.termMs, 0, 300, 1500, Infinity),
  killMs: fc.oneof(
    { weight: 40, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.constant(700) },
    { weight: 1, arbitrary: fc.constantFrom(29_000, 50_000, 90_000) },
  ),
  orphanMs: mostly(0, 0, 0, 200, 4000),
  unhealthyMs: mostly(Infinity, 0, 1200, 5000),
  probeMs: mostly(healthy.probeMs, 0, 200, 3000, Infinity),
});

const restart: fc.Arbitrary<RestartPolicy> = fc.record({
  when: mostly<RestartPolicy['when']>('always', 'onFailure', 'never'),
  onFailure: mostly<RestartPolicy['onFailure']>('keepOthers', 'stopAll'),
  delayMs: mostly(100, 0, 1, 500),
  maxDelayMs: mostly(2000, 0, 150, 30_000),
  resetAfterMs: mostly(restartDefaults.resetAfterMs, 0, 1000, 3000),
  maxFailures: mostly(restartDefaults.maxFailures, 0, 1, 2, 7),
  windowMs: mostly(restartDefaults.windowMs, 1000, 4000),
});

const plan = fc.record({
  kind: mostly<Kind>('service', 'program', 'function'),
  restart,
  graceMs: mostly(1000, 0, 300, 10_000),
  timeoutMs: mostly(3000, 500),
  commandMs: mostly<number | undefined>(undefined, 0, 50, 1000, Infinity),
  hasPorts: fc.boolean(),
  hasLive: fc.boolean(),
  lives: fc.array(life, { maxLength: 3 }),
  isLooping: mostly(false, false, true),
  needs: fc.array(
    fc.record({
      on: fc.nat(3),
      whenLost: mostly<'keep' | 'restart' | 'stop'>('keep', 'restart', 'stop'),
      condition: mostly<'ready' | 'started'>('ready', 'started'),
    }),
    { maxLength: 2 },
  ),
});

const order = fc.record({
  // Never at the moment of the boot's time-out, where either may be first.
  // To shrink a time takes thousands of steps and explains nothing.
  atMs: fc.noShrink(fc.nat(3000)).map((half) => 2 * half),
  what: fc.constantFrom('stop' as const, 'start' as const, 'restart' as const),
  component: fc.nat(3),
  isCascade: fc.boolean(),
});

/** Graphs of up to four components, in which each needs only those before it. */
export const scenario: fc.Arbitrary<Scenario> = fc
  .record({
    plans: fc.array(plan, { minLength: 1, maxLength: 4 }),
    orders: fc.array(order, { maxLength: 4 }),
    bootTimeoutMs: mostly(600_000, 600_000, 600_000, 3999),
    downAtMs: mostly<number | undefined>(undefined, undefined, 0, 30, 700, 2500, 9000),
    hurryMs: mostly<number | undefined>(undefined, 0, 100, 1500),
    jitter: fc.noShrink(fc.nat(1000)),
  })
  // oxlint-disable-next-line oxc/no-map-spread -- not of an array, and fast-check keeps what it has generated
  .map(({ plans, orders, ...rest }) => ({
    ...rest,
    plans: plans.map(({ needs, ...each }, index) => ({
      ...each,
      name: nameOf(index),
      restart: { ...each.restart, ...(each.kind === 'service' ? {} : { when: taskPolicy(each.restart) }) },
      needs: index === 0 ? [] : needs.map((need) => ({ ...need, on: nameOf(need.on % index) })),
    })),
    orders: orders.map((each) => ({ ...each, component: nameOf(each.component % plans.length) })),
  }));

/** A task is usually not restarted. */
function taskPolicy({ when }: RestartPolicy): RestartPolicy['when'] {
  return when === 'onFailure' ? 'always' : 'never';
}

function nameOf(index: number): string {
  return 'abcd'[index]!;
}
