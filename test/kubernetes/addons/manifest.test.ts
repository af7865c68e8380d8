import { describe, expect, it } from 'vitest';
import { parseManifest } from '../../../src/kubernetes/addons/manifest.ts';

const objectsOf = (text: string) => parseManifest(text).map(({ json }) => JSON.parse(json) as unknown);
const map = (more: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n${more}`;

describe('a manifest', () => {
  it('is read as kubectl reads it: YAML 1.1 without times', () => {
    const text = map(`data:
  octal: 0644
  on: yes
  y: n
  port: 8080:80
  day: 2001-12-14
  time: 12:30:45
  null: ~
  text: "0644"
`);
    expect(objectsOf(text)).toEqual([
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'a' },
        data: {
          octal: 420,
          true: true,
          y: 'n',
          port: '8080:80',
          day: '2001-12-14',
          time: '12:30:45',
          '': null,
          text: '0644',
        },
      },
    ]);
  });

  it('has its objects with their lines, those of lists and JSON, too, without empty documents', () => {
    const text = `# comment
---
---
${map('')}---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Secret
    metadata: { name: b, namespace: n }
  - { apiVersion: v1, kind: Service, metadata: { name: c } }
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
`;
    const found = parseManifest(text).map(({ line, kind, namespace, name }) => [line, kind, namespace, name]);
    expect(found).toEqual([
      [4, 'ConfigMap', '', 'a'],
      [11, 'Secret', 'n', 'b'],
      [14, 'Service', '', 'c'],
      [16, 'Deployment', '', 'd'],
    ]);
  });

  it('that was saved from a cluster loses what the API server has set', () => {
    const saved = `apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  labels: { x: z }
  creationTimestamp: "2026-01-01T00:00:00Z"
  managedFields: []
  resourceVersion: "1"
  selfLink: /x
  uid: u
  generation: 1
`;
    expect(objectsOf(saved)).toEqual([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', labels: { x: 'z' } } },
    ]);
  });

  it('has a protocol for each port, which server-side apply of 1.20 needs', () => {
    const pod = 'spec: { containers: [{ name: a, ports: [{ containerPort: 80 }] }] }';
    const kinds = [
      'kind: Service\nspec: { ports: [{ port: 80 }, { port: 53, protocol: UDP }] }',
      `kind: Pod\n${pod}`,
      `kind: DaemonSet\nspec: { template: { ${pod} } }`,
      `kind: CronJob\nspec: { jobTemplate: { spec: { template: { ${pod} } } } }`,
      'kind: NetworkPolicy\nspec: { ports: [{ port: 80 }] }',
    ];
    const texts = kinds.map((text) => `apiVersion: v1\nmetadata: { name: a }\n${text}`);
    const protocols = texts.map((text) => JSON.stringify(objectsOf(text)).match(/"protocol":"\w+"/g));
    const tcp = '"protocol":"TCP"';
    expect(protocols).toEqual([[tcp, '"protocol":"UDP"'], [tcp], [tcp], [tcp], null]);
  });

  it('changes its hash with its content alone', () => {
    const [one, same, other] = [
      map('data: { k: v }'),
      map('\n# comment\ndata:\n  k: v'),
      map('data: { k: w }'),
    ]
      .flatMap(parseManifest)
      .map(({ hash }) => hash);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
  });

  it.each([
    ['no YAML', 'a: b\nc: [', /^line 2: not YAML: /],
    ['a tab', 'a:\n\t- b', /^line 2: not YAML: /],
    ['a key twice', map('data: { a: b }\ndata: {}'), /^line 5: not YAML: Map keys must be unique/],
    ['a page of the web', '<!DOCTYPE html>\n<html></html>', /^line 1: not an object of Kubernetes/],
    ['a list', '- a', /^line 1: not an object of Kubernetes/],
    [
      'nothing',
      '# to do\n---\n',
      /^line 1: there is no object; to remove an addon, remove its file or entry/,
    ],
    ['no kind', `${map('')}---\napiVersion: v1\nmetadata: { name: x }`, /^line 5: the object has no kind/],
    ['no apiVersion', 'kind: Secret\nmetadata: { name: x }', /^line 1: the object has no apiVersion/],
    [
      'no name',
      'apiVersion: v1\nkind: Pod\nmetadata: { generateName: x- }',
      /^line 1: Pod has no metadata.name/,
    ],
    ['no metadata', 'apiVersion: v1\nkind: Pod', /^line 1: Pod has no metadata.name/],
    ['the same object twice', `${map('')}---\n${map('')}`, /^line 5: ConfigMap a is already in line 1/],
    ['no anchor', map('data: *x'), /^line 1: Unresolved alias/],
    [
      'an item that is none',
      'apiVersion: v1\nkind: List\nitems:\n  - x',
      /^line 4: not an object of Kubernetes/,
    ],
  ])('with %s is refused with its line', (_what, text, message) => {
    expect(() => parseManifest(text)).toThrow(message);
  });

  it('with aliases that expand to too much is refused', () => {
    const levels = Array.from({ length: 12 }, (_, n) => {
      const item = n === 0 ? 'x' : `*a${n - 1}`;
      return `  a${n}: &a${n} [${Array(10).fill(item).join(', ')}]`;
    });
    expect(() => parseManifest(map(`data:\n${levels.join('\n')}`))).toThrow(/^line 1: Excessive alias count/);
  });
});
