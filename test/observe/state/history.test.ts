import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { createHistory } from '../../../src/observe/state/history.ts';
import { createMetrics } from '../../../src/observe/state/metrics.ts';
import { at, crashLoop, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);

describe('the history', () => {
  it('keeps the boot and the last of what came after', () => {
    const history = createHistory(names);
    for (const event of goodBoot) history.add(event);
    for (let i = 0; i < 10_000; i += 1)
      history.add(at(6000 + i, 'etcd', { type: 'probing', reason: String(i) }));
    const events = history.events();
    expect(events.slice(0, goodBoot.length)).toEqual(goodBoot);
    expect(events).toHaveLength(goodBoot.length + 2000);
    expect(events.at(-1)).toMatchObject({ reason: '9999' });
  });

  it('tells subscribers until they want no more', () => {
    const history = createHistory(names);
    const seen: Event[] = [];
    const unsubscribe = history.subscribe((event) => void seen.push(event));
    history.add(goodBoot[0]!);
    unsubscribe();
    history.add(goodBoot[1]!);
    expect(seen).toEqual([goodBoot[0]]);
  });
});

describe('metrics', () => {
  const lines = async (events: readonly Event[], more: readonly Event[] = []): Promise<string[]> => {
    const metrics = createMetrics(names, events);
    for (const event of more) metrics.add(event);
    return (await metrics.text()).split('\n').filter((line) => !line.startsWith('#'));
  };

  it('are there from the beginning', async () => {
    const start = await lines([]);
    for (const name of names) {
      expect(start).toContain(`k8s_single_component_ready{component="${name}"} 0`);
      expect(start).toContain(`k8s_single_component_restarts_total{component="${name}"} 0`);
    }
    expect(start).toContain('k8s_single_node_ready 0');
  });

  it('follow the events', async () => {
    expect(await lines(goodBoot)).toEqual(
      expect.arrayContaining([
        'k8s_single_node_ready 1',
        'k8s_single_boot_seconds 5',
        'k8s_single_component_up{component="pki"} 1',
        'k8s_single_component_time_to_ready_seconds{component="apiserver"} 3.19',
      ]),
    );
    expect(await lines(goodBoot, [at(9000, 'etcd', { type: 'unhealthy', reason: 'x' })])).toEqual(
      expect.arrayContaining([
        'k8s_single_node_ready 0',
        'k8s_single_component_up{component="etcd"} 1',
        'k8s_single_component_ready{component="etcd"} 0',
        'k8s_single_component_unhealthy_total{component="etcd"} 1',
      ]),
    );
    expect(await lines(crashLoop)).toEqual(
      expect.arrayContaining([
        'k8s_single_component_restarts_total{component="apiserver"} 1',
        'k8s_single_component_exits_total{component="apiserver"} 2',
        'k8s_single_component_up{component="apiserver"} 0',
      ]),
    );
  });
});
