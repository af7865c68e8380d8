import { expect, test } from 'vitest';
import type { EventBody } from '../../src/engine/component.ts';
import { failedAtEnd } from '../../src/launcher/followBoot.ts';
import { replay } from '../../src/observe/state/state.ts';

const stages = [
  { name: 'bad', needs: [] },
  { name: 'after', needs: ['bad'] },
  { name: 'other', needs: [] },
];
const ready = { type: 'ready', ms: 1 } as const;
const kept = { type: 'failed', reason: 'exited with code 7', othersKept: true } as const;
const failed = { type: 'failed', reason: 'exited with code 7' } as const;

test.each<[string, [string, EventBody][], string[] | undefined]>([
  ['while another component is not ready', [['bad', kept]], undefined],
  [
    'when all others are ready or blocked',
    [
      ['bad', kept],
      ['other', ready],
    ],
    ['bad'],
  ],
  [
    'when the failure stops the others',
    [
      ['bad', failed],
      ['other', ready],
    ],
    undefined,
  ],
  ['without a failure', [['other', ready]], undefined],
])('a boot with a failed component is complete or not: %s', (_what, bodies, expected) => {
  const events = bodies.map(([component, body]) => ({ component, at: 1, ...body }));
  const names = stages.map(({ name }) => name);
  expect(failedAtEnd(stages, replay(names, events))).toEqual(expected);
});
