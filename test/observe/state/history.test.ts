import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { createHistory } from '../../../src/observe/state/history.ts';
import { at, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);

describe('the history', () => {
  it('keeps the boot and the last events after it', () => {
    const history = createHistory(names);
    for (const event of goodBoot) history.add(event);
    for (let i = 0; i < 10_000; i += 1)
      history.add(at(6000 + i, 'etcd', { type: 'probing', reason: String(i) }));
    const events = history.events();
    expect(events.slice(0, goodBoot.length)).toEqual(goodBoot);
    expect(events).toHaveLength(goodBoot.length + 2000);
    expect(events.at(-1)).toMatchObject({ reason: '9999' });
  });

  it('calls subscribers until they unsubscribe', () => {
    const history = createHistory(names);
    const seen: Event[] = [];
    const unsubscribe = history.subscribe((event) => void seen.push(event));
    history.add(goodBoot[0]!);
    unsubscribe();
    history.add(goodBoot[1]!);
    expect(seen).toEqual([goodBoot[0]]);
  });
});
