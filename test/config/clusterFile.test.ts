import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadClusterFile } from '../../src/config/clusterFile.ts';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { tempDir } from '../support/cli.ts';

async function load(text: string) {
  const file = join(await tempDir('cluster-file'), 'cluster.yaml');
  await writeFile(file, text);
  return loadClusterFile(file);
}

/** The lines of the message, without the folder. */
async function problems(text: string): Promise<string[]> {
  const error = await load(text).catch((thrown: unknown) => thrown);
  return String(error)
    .split('\n')
    .map((line) => line.replace(/^.*cluster\.yaml:/, ''));
}

describe('a file of several nodes', () => {
  it('has control planes first, and configs relative to itself', async () => {
    const nodes = await load('nodes:\n  - { name: b, join: a, config: conf/b.yaml }\n  - name: a\n');
    expect(nodes?.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(nodes?.[1]?.config).toMatch(/^\/.*cluster-file.*\/conf\/b\.yaml$/);
  });

  it('is also one in JSON', async () => {
    expect(await load('{"nodes":[{"name":"a"}]}')).toEqual([
      { name: 'a', join: undefined, config: undefined },
    ]);
  });

  it('is refused as the config of one node', () => {
    expect(() => parseConfig('nodes: [{ name: a }]\n', 'cluster.yaml')).toThrow(
      /^cluster\.yaml:1:1: this is a file of several nodes: only "up", "down" and "config check" take one$/,
    );
  });

  it('is not a config of one node, nor what cannot be read', async () => {
    expect(
      await load('name: a\ncomponents: { x: { command: [env], env: { nodes: "3" } } }\n'),
    ).toBeUndefined();
    expect(await load('# nodes: none\n')).toBeUndefined();
    expect(await loadClusterFile('/nowhere/at/all.yaml')).toBeUndefined();
    expect(await loadClusterFile(undefined)).toBeUndefined();
  });

  it.each([
    ['nodes: []\n', ['1:1: nodes: expected at least one']],
    ['nodes: 3\n', ['1:8: nodes: expected a list, not "3"']],
    ['nodes: [{ name: a }]\nkubernetes: "1.30"\n', ['2:1: unknown key "kubernetes"; known: nodes']],
    [
      'nodes:\n  - { name: A }\n',
      [expect.stringMatching(/^2:\d+: nodes\.0\.name: expected a name of at most 40/)],
    ],
    [
      'nodes:\n  - { name: a, jion: b }\n',
      [expect.stringContaining('unknown key "jion"; did you mean "join"?')],
    ],
    ['nodes:\n  - { name: a }\n  - { name: a }\n', ['3:13: nodes.1.name: there is another node "a" above']],
    [
      'nodes:\n  - { name: a, join: a }\n  - { name: b, join: c }\n',
      [
        '2:22: nodes.0.join: "a" is a worker itself: expected a node without "join"',
        '3:22: nodes.1.join: there is no node "c" in this file',
      ],
    ],
  ])('says what is wrong, and where: %j', async (text, expected) => {
    expect(await problems(text)).toEqual(expected);
  });
});
