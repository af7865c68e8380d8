import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { createProbeAttempts } from '../../../src/observe/metrics/probeAttempts.ts';
import { createMetrics } from '../../../src/observe/metrics/metrics.ts';
import { debianRoot } from '../../config/debianRoot.ts';
import { at, crashLoop, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);

describe('metrics', () => {
  const lines = async (events: readonly Event[], more: readonly Event[] = []): Promise<string[]> => {
    const metrics = createMetrics(names, events);
    for (const event of more) metrics.add(event);
    return (await metrics.text()).split('\n').filter((line) => !line.startsWith('#'));
  };

  it('exist from the beginning', async () => {
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

  it('contain the durations of the probe attempts since the last request', async () => {
    const attempts = createProbeAttempts();
    const { text } = createMetrics(names, goodBoot, attempts.take);
    attempts.add({ component: 'etcd', ms: 3, healthy: true });
    attempts.add({ component: 'etcd', ms: 2000, healthy: false });
    expect(await text()).toContain(
      'k8s_single_component_probe_duration_seconds_bucket{le="0.005",component="etcd",result="healthy"} 1',
    );
    attempts.add({ component: 'etcd', ms: 5, healthy: true });
    const probeLines = (await text()).split('\n');
    const of = (name: string) => probeLines.filter((line) => line.startsWith(`k8s_single_component_${name}`));
    expect(of('probe_duration_seconds_sum')).toEqual([
      'k8s_single_component_probe_duration_seconds_sum{component="etcd",result="healthy"} 0.008',
      'k8s_single_component_probe_duration_seconds_sum{component="etcd",result="unhealthy"} 2',
    ]);
    expect(of('probe_duration_seconds_count{component="etcd",result="healthy"}')).toHaveLength(1);
  });

  it('are accepted by promtool after any events', async () => {
    const { path } = await debianRoot(['prometheus']);
    for (const events of [[], goodBoot, crashLoop]) {
      const takeAttempts = () => [{ component: 'etcd', ms: 3, healthy: true }];
      const input = await createMetrics(names, events, takeAttempts).text();
      expect(input).toContain('k8s_single_component_probe_duration_seconds_bucket');
      const promtool = join(path.split(':')[0]!, 'promtool');
      const { exitCode, all } = await execa(promtool, ['check', 'metrics'], {
        input,
        all: true,
        reject: false,
      });
      expect(`${exitCode} ${all}`).toBe('0 ');
    }
    // Not everything is accepted.
    const broken = execa(join(path.split(':')[0]!, 'promtool'), ['check', 'metrics'], { input: 'a b c\n' });
    await expect(broken).rejects.toThrow();
  }, 300_000);
});

describe('probe attempts that are never taken', () => {
  it('are dropped, the oldest first', () => {
    const attempts = createProbeAttempts();
    for (let ms = 0; ms < 10_000; ms += 1) attempts.add({ component: 'etcd', ms, healthy: true });
    const taken = attempts.take();
    expect(taken).toHaveLength(2000);
    expect(taken.at(-1)?.ms).toBe(9999);
    expect(attempts.take()).toEqual([]);
  });
});
