import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { createProbeAttempts } from '../../../src/observe/state/looks.ts';
import { createMetrics } from '../../../src/observe/state/metrics.ts';
import { debianRoot } from '../../config/debianRoot.ts';
import { crashLoop, goodBoot, stages } from '../boots.ts';

const names = stages.map(({ name }) => name);

describe('metrics', () => {
  it('say how long the looks took since the last time somebody asked', async () => {
    const looks = createProbeAttempts();
    const { text } = createMetrics(names, goodBoot, looks.take);
    looks.add({ component: 'etcd', ms: 3, healthy: true });
    looks.add({ component: 'etcd', ms: 2000, healthy: false });
    expect(await text()).toContain(
      'k8s_single_component_probe_duration_seconds_bucket{le="0.005",component="etcd",result="healthy"} 1',
    );
    looks.add({ component: 'etcd', ms: 5, healthy: true });
    const lines = (await text()).split('\n');
    const of = (name: string) => lines.filter((line) => line.startsWith(`k8s_single_component_${name}`));
    expect(of('probe_duration_seconds_sum')).toEqual([
      'k8s_single_component_probe_duration_seconds_sum{component="etcd",result="healthy"} 0.008',
      'k8s_single_component_probe_duration_seconds_sum{component="etcd",result="unhealthy"} 2',
    ]);
    expect(of('probe_duration_seconds_count{component="etcd",result="healthy"}')).toHaveLength(1);
  });

  it('are accepted by promtool, whatever has happened', async () => {
    const { path } = await debianRoot(['prometheus']);
    for (const events of [[], goodBoot, crashLoop]) {
      const takeLooks = () => [{ component: 'etcd', ms: 3, healthy: true }];
      const input = await createMetrics(names, events, takeLooks).text();
      expect(input).toContain('k8s_single_component_probe_duration_seconds_bucket');
      const promtool = join(path.split(':')[0]!, 'promtool');
      const { exitCode, all } = await execa(promtool, ['check', 'metrics'], {
        input,
        all: true,
        reject: false,
      });
      expect(`${exitCode} ${all}`).toBe('0 ');
    }
    // And it is not one that accepts anything.
    const broken = execa(join(path.split(':')[0]!, 'promtool'), ['check', 'metrics'], { input: 'a b c\n' });
    await expect(broken).rejects.toThrow();
  }, 300_000);
});

describe('looks that nobody asks for', () => {
  it('are forgotten, the oldest first', () => {
    const looks = createProbeAttempts();
    for (let ms = 0; ms < 10_000; ms += 1) looks.add({ component: 'etcd', ms, healthy: true });
    const taken = looks.take();
    expect(taken).toHaveLength(2000);
    expect(taken.at(-1)?.ms).toBe(9999);
    expect(looks.take()).toEqual([]);
  });
});
