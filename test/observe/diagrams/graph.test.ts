import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Event } from '../../../src/engine/component.ts';
import { graphDot } from '../../../src/observe/diagrams/graphDot.ts';
import { graphMermaid } from '../../../src/observe/diagrams/graphMermaid.ts';
import { graphText } from '../../../src/observe/diagrams/graphText.ts';
import { drawingOf } from '../../../src/observe/diagrams/graph.ts';
import type { Stage } from '../../../src/observe/state/state.ts';
import { debianRoot } from '../../config/debianRoot.ts';
import type { DebianRoot } from '../../config/debianRoot.ts';

const stages: readonly Stage[] = [
  { name: 'pki', needs: [] },
  { name: 'etcd', needs: [] },
  { name: 'end', needs: ['pki', 'etcd'] },
  { name: 'web-1.0', needs: ['end', { on: 'etcd', whenLost: 'restart' }] },
  { name: 'cron', needs: [{ on: 'pki', whenLost: 'stop' }] },
];

/** `pki` took longer than `etcd`, and `cron` was ready last. */
const boot: readonly Event[] = [
  ...['pki', 'etcd'].map((component) => ({ component, at: 0, type: 'starting', attempt: 1 }) as const),
  { component: 'etcd', at: 500, type: 'ready', ms: 500 },
  { component: 'pki', at: 1000, type: 'ready', ms: 1000 },
  ...['end', 'cron'].map((component) => ({ component, at: 1000, type: 'starting', attempt: 1 }) as const),
  { component: 'end', at: 1200, type: 'ready', ms: 200 },
  { component: 'web-1.0', at: 1200, type: 'starting', attempt: 1 },
  { component: 'web-1.0', at: 1300, type: 'ready', ms: 100 },
  { component: 'cron', at: 4000, type: 'ready', ms: 3000 },
];

const plain = (_colour: string, text: string): string => text;
const planned = drawingOf(stages, []);
const measured = drawingOf(stages, boot);

describe('as a tree', () => {
  test('before a boot the longest chain is marked', () => {
    expect(graphText(planned, plain)).toBe(
      `
○ pki
└─○ cron       stops when pki is lost
● etcd
└─● end        also needs pki
  └─● web-1.0  also needs etcd; restarts when etcd is lost

● longest chain: etcd → end → web-1.0`.trimStart(),
    );
  });

  test('after a boot each component is below the dependency it waited for longest, with its time', () => {
    expect(graphText(measured, plain)).toBe(
      `
● pki             1.0 s
├─○ end           0.2 s  also needs etcd
│ └─○ web-1.0     0.1 s  also needs etcd; restarts when etcd is lost
└─● cron          3.0 s  stops when pki is lost
○ etcd            0.5 s

● ready in 4.0 s; critical path, in s: pki 1.0 → cron 3.0`.trimStart(),
    );
  });

  test('a failed boot is drawn as far as it got', () => {
    const failed = graphText(drawingOf(stages, boot.slice(0, 4)), plain);
    expect(failed).toContain('● not ready after 1.0 s; critical path, in s: pki 1.0');
    expect(failed).toMatch(/web-1\.0 +also needs etcd/);
  });

  test('a chain of ten thousand is no problem', () => {
    const chain = Array.from({ length: 10_000 }, (_, i) => ({
      name: `c${i}`,
      needs: i === 0 ? [] : [`c${i - 1}`],
    }));
    expect(drawingOf(chain, []).path).toHaveLength(10_000);
  });
});

/** Parses a flowchart of the forms that we write. Any other line is an error. */
function readMermaid(text: string) {
  const [head, ...lines] = text.split('\n');
  const labels = new Map<string, string>();
  const edges: string[] = [];
  let critical: string[] = [];
  for (const line of lines) {
    const node = /^ {2}(n\d+)\["([^"]+)"\]$/.exec(line);
    const edge = /^ {2}(n\d+) (-->|==>)(\|restart\||\|stop\||) (n\d+)$/.exec(line);
    const marked = /^ {2}class ((?:n\d+,)*n\d+) critical$/.exec(line);
    if (node !== null) labels.set(node[1]!, node[2]!);
    else if (edge !== null)
      edges.push([labels.get(edge[1]!), edge[2], edge[3], labels.get(edge[4]!)].join(' '));
    else if (marked !== null) critical = marked[1]!.split(',').map((id) => labels.get(id)!);
    else expect(line).toMatch(/^ {2}(%% .*|classDef critical stroke-width:3px)$/);
  }
  return { head, labels: [...labels.values()], edges, critical };
}

test('as a Mermaid flowchart', () => {
  expect(readMermaid(graphMermaid(planned))).toEqual({
    head: 'flowchart LR',
    labels: ['pki', 'etcd', 'end', 'web-1.0', 'cron'],
    edges: [
      'pki -->  end',
      'etcd ==>  end',
      'end ==>  web-1.0',
      'etcd --> |restart| web-1.0',
      'pki --> |stop| cron',
    ],
    critical: ['etcd', 'end', 'web-1.0'],
  });
  expect(readMermaid(graphMermaid(measured)).labels).toContain('pki<br/>1.0 s');
  expect(readMermaid(graphMermaid(drawingOf([], [])))).toMatchObject({ labels: [], critical: [] });
});

describe("in Graphviz' language, as Graphviz itself reads it", () => {
  interface Read {
    readonly label: string;
    readonly objects: readonly {
      readonly name: string;
      readonly label: string;
      readonly penwidth?: string;
    }[];
    readonly edges: readonly { tail: number; head: number; penwidth?: string; label?: string }[];
  }

  let debian: DebianRoot;
  beforeAll(async () => {
    debian = await debianRoot(['graphviz']);
  }, 300_000);

  async function read(dot: string): Promise<Read> {
    const env = { ...debian.env, GVBINDIR: join(debian.env['LD_LIBRARY_PATH']!.split(':')[0]!, 'graphviz') };
    const program = join(debian.root, 'usr/bin/dot');
    // Registers the plugins in a file beside them.
    await execa(program, ['-c'], { env });
    return JSON.parse((await execa(program, ['-Tdot_json'], { env, input: dot })).stdout) as Read;
  }

  test('each component and each edge is there, and the critical path is thick', async () => {
    const { label, objects, edges } = await read(graphDot(measured));
    expect(label).toBe('ready in 4.0 s; critical path, in s: pki 1.0 → cron 3.0');
    expect(objects.map(({ name, label: text, penwidth }) => [name, text, penwidth])).toEqual([
      ['pki', String.raw`pki\n1.0 s`, '3'],
      ['etcd', String.raw`etcd\n0.5 s`, undefined],
      ['end', String.raw`end\n0.2 s`, undefined],
      ['web-1.0', String.raw`web-1.0\n0.1 s`, undefined],
      ['cron', String.raw`cron\n3.0 s`, '3'],
    ]);
    const name = (index: number): string => objects[index]!.name;
    const drawn = edges.map(({ tail, head, penwidth, label: text }) =>
      [name(tail), name(head), penwidth, text].filter(Boolean).join(' '),
    );
    expect(drawn.sort()).toEqual([
      'end web-1.0',
      'etcd end',
      'etcd web-1.0 restart',
      'pki cron 3 stop',
      'pki end',
    ]);
  });
});
