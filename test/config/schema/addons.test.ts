import { describe, expect, it } from 'vitest';
import { maskedConfig } from '../../../src/config/show.ts';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';
import type { Component } from '../../../src/engine/component.ts';
import { plannedGraph } from '../../../src/supervisor/plannedGraph.ts';
import { addonSources } from '../../../src/kubernetes/addons/source.ts';
import { nodePaths } from '../../../src/lib/paths.ts';

const parse = (text: string) => parseConfig(text, 'my.yaml');

describe('addons in a config', () => {
  it('have defaults', () => {
    const { addons } = parse('addons:\n  a: { file: a.yaml }\n').node;
    expect(addons).toEqual({ a: { file: 'a.yaml', wait: [], required: false } });
  });

  it('wait for one condition or several', () => {
    const wait = '{ apiVersion: v1, kind: Pod, name: x }';
    const one = { apiVersion: 'v1', kind: 'Pod', name: 'x', condition: 'Ready' };
    expect(parse(`addons: { a: { file: a, wait: ${wait} } }`).node.addons['a']?.wait).toEqual([one]);
    expect(parse(`addons: { a: { file: a, wait: [${wait}, ${wait}] } }`).node.addons['a']?.wait).toEqual([
      one,
      one,
    ]);
  });

  it.each([
    ['addons:\n  a: {}\n', 'my.yaml:2:3: addons.a: an addon has one of "file", "url", "manifest"'],
    [
      'addons:\n  a:\n    file: x\n    url: https://example.com/\n',
      'my.yaml:4:10: addons.a.url: an addon has one of "file", "url", "manifest"',
    ],
    [
      'addons:\n  a: { url: example.com }\n',
      'expected a URL like https://example.com/manifest.yaml, not "example.com"',
    ],
    [
      'addons:\n  A_b: { file: x }\n',
      'a name must be at most 50 lower-case letters, digits, dots and dashes',
    ],
    ['addons:\n  a: { file: x }\n  a: { file: y }\n', 'my.yaml:3:3: duplicate key "a"'],
    ['addons:\n  a: { file: x, wait: { kind: Pod } }\n', 'expected an API version, which is missing'],
    ['addons:\n  a: { file: x, namespace: A }\n', 'expected the name of a namespace, not "A"'],
    ['addons:\n  a: { file: x, waits: [] }\n', 'unknown key "waits"; did you mean "wait"?'],
  ])('with a mistake are refused: %j', (text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  it('show no manifest with a Secret', () => {
    const config = parse(`addons:
  a: { manifest: 'kind: Secret' }
  b: { manifest: '{"kind": "Secret"}' }
  c: { manifest: 'kind: SecretStore' }
`);
    expect(maskedConfig(config)['addons']).toMatchObject({
      a: { manifest: '***' },
      b: { manifest: '***' },
      c: { manifest: 'kind: SecretStore' },
    });
  });
});

describe('the graph', () => {
  const named = (all: readonly Component[], name: string): Component | undefined =>
    all.find((each) => each.name === name);

  it('has a component for each addon, which the node waits for only if it is required', () => {
    const config = parse('addons:\n  a: { file: a }\n  b: { file: b, required: true }\n');
    const graph = plannedGraph(config);
    expect(named(graph, 'addon-a')).toMatchObject({
      kind: 'task',
      optional: true,
      timeoutMs: Infinity,
      needs: ['apiserver', 'node', 'default-account'],
    });
    expect(named(graph, 'addon-b')).not.toHaveProperty('optional');
    expect(named(graph, 'addons')).toMatchObject({ optional: true });
  });

  it('has none without addons', () => {
    const names = plannedGraph(parse('name: without-addons\n')).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('addon'))).toEqual([]);
  });

  it('has one for each file of the folder, sorted, with a name that can be one', () => {
    const { node } = parse('addons:\n  x: { file: /a }\n  b: { url: https://example.com/b }\n');
    const paths = nodePaths('n', '/data');
    const sources = addonSources({ config: node, paths }, ['a.json', 'b.yaml', 'Bad Name.yml']);
    expect(sources.map(({ name, place, problem }) => [name, place, problem])).toEqual([
      [
        'Bad Name',
        '/data/addons/Bad Name.yml',
        'the name of an addon is at most 50 lower-case letters, digits, dots and dashes: rename /data/addons/Bad Name.yml',
      ],
      ['a', '/data/addons/a.json', undefined],
      [
        'b',
        'https://example.com/b',
        'two addons are called b: https://example.com/b and /data/addons/b.yaml; rename one of them',
      ],
      ['x', '/a', undefined],
    ]);
  });
});
