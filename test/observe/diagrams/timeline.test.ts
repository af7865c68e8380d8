import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { criticalPath, criticalPathText, timelineOf } from '../../../src/observe/diagrams/timeline.ts';
import { timelineSvg } from '../../../src/observe/diagrams/timelineSvg.ts';
import { timelineText } from '../../../src/observe/diagrams/timelineText.ts';
import { timelineTrace } from '../../../src/observe/diagrams/timelineTrace.ts';
import { at, crashLoop, goodBoot, stages } from '../boots.ts';

const later = [
  at(60_000, 'etcd', { type: 'unhealthy' as const, reason: 'x' }),
  at(61_000, 'etcd', { type: 'starting' as const, attempt: 2 }),
  at(62_000, 'etcd', { type: 'ready' as const, ms: 1000 }),
];
const plain = (_colour: string, text: string): string => text;

describe('the critical path', () => {
  it('goes back from the last stage through the dependencies met last, and adds up to the boot', () => {
    const path = criticalPath(stages, goodBoot);
    expect(path).toEqual([
      { component: 'pki', ms: 300 },
      { component: 'etcd', ms: 500 },
      { component: 'apiserver', ms: 3200 },
      { component: 'node', ms: 1000 },
    ]);
    expect(path.reduce((sum, { ms }) => sum + ms, 0)).toBe(5000);
  });

  it('goes through the start, not the readiness, of a dependency with the condition started', () => {
    const started = stages.map((stage) =>
      stage.name === 'node'
        ? { ...stage, needs: [{ on: 'apiserver', condition: 'started' as const }, 'kubelet'] }
        : stage,
    );
    expect(criticalPath(started, goodBoot)).toEqual([
      { component: 'pki', ms: 300 },
      { component: 'kubelet', ms: 1200 },
      { component: 'node', ms: 3500 },
    ]);
  });

  it('is empty while nothing is ready', () => {
    expect(criticalPath(stages, goodBoot.slice(0, 4))).toEqual([]);
    expect(criticalPath(stages, [])).toEqual([]);
  });

  it('leaves short stages out of its text', () => {
    expect(
      criticalPathText([
        { component: 'a', ms: 10 },
        { component: 'b', ms: 1260 },
      ]),
    ).toBe('b 1.3');
  });
});

describe('the timeline', () => {
  it('has a span for each phase, up to ready', () => {
    const { spans, ms, ready } = timelineOf(stages, [...goodBoot, ...later]);
    expect({ ms, ready }).toEqual({ ms: 5000, ready: true });
    expect(spans.filter(({ component }) => component === 'etcd')).toEqual([
      { component: 'etcd', phase: 'waiting', from: 0, to: 310 },
      { component: 'etcd', phase: 'starting', from: 310, to: 800 },
      { component: 'etcd', phase: 'ready', from: 800, to: 5000 },
    ]);
  });

  it('also shows failed starts', () => {
    const { spans, ready } = timelineOf(stages, crashLoop.slice(0, 16));
    expect(ready).toBe(false);
    expect(
      spans
        .filter(({ component }) => component === 'apiserver')
        .map(({ phase, from, to }) => [phase, from, to]),
    ).toEqual([
      ['waiting', 0, 810],
      ['starting', 810, 1000],
      ['down', 1000, 1510],
      ['starting', 1510, 1600],
      ['down', 1600, 1610],
      // However short: failures matter most.
      ['failed', 1610, 1610],
    ]);
  });

  it('is drawn in text, in any width', () => {
    expect(timelineText(timelineOf(stages, goodBoot), 61, plain)).toBe(
      [
        'pki        ██──────────────────────────────────────     0.3 s',
        'etcd       ··████──────────────────────────────────     0.5 s',
        'apiserver  ······██████████████████████████────────     3.2 s',
        'kubelet    ··██████████────────────────────────────     1.2 s',
        'node       ································████████     1.0 s',
        '',
        '· waiting   █ starting   ─ ready',
        'ready in 5.0 s',
        'critical path, in s: pki 0.3 → etcd 0.5 → apiserver 3.2 → node 1.0',
      ].join('\n'),
    );
    expect(timelineText(timelineOf(stages, []), 20, plain)).toContain('not ready after 0.0 s');
  });

  it('is drawn as a self-contained SVG that is well-formed with any names', () => {
    const odd = [{ name: '<a href="x">&', needs: [] }];
    const events = [
      at(0, odd[0]!.name, { type: 'starting', attempt: 1 }),
      at(900, odd[0]!.name, { type: 'ready', ms: 900 }),
    ];
    for (const svg of [
      timelineSvg(timelineOf(stages, goodBoot)),
      timelineSvg(timelineOf(odd, events)),
      timelineSvg(timelineOf([], [])),
    ]) {
      const parse = spawnSync(
        'python3',
        ['-c', 'import sys, xml.dom.minidom as m; m.parseString(sys.stdin.buffer.read())'],
        { input: svg },
      );
      expect(parse.stderr.toString()).toBe('');
      expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|url\(|@import/);
    }
    expect(timelineSvg(timelineOf(stages, goodBoot))).toContain(
      '<title>etcd starting: 0.5 s, from 0.3 s to 0.8 s</title>',
    );
  });

  it('is written as a trace', () => {
    const { traceEvents } = JSON.parse(timelineTrace(timelineOf(stages, goodBoot))) as {
      traceEvents: object[];
    };
    expect(traceEvents).toContainEqual({
      ph: 'X',
      pid: 1,
      tid: 2,
      name: 'starting',
      cat: 'etcd',
      ts: 310_000,
      dur: 490_000,
    });
    expect(traceEvents).toContainEqual({
      ph: 'M',
      pid: 1,
      tid: 2,
      name: 'thread_name',
      args: { name: 'etcd' },
    });
  });
});
