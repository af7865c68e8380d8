import { chmodSync, chownSync, existsSync, lstatSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  mergeKubeconfig,
  removeFromKubeconfig,
  userKubeconfig,
} from '../../../src/kubernetes/kubeconfig/merge.ts';
import { temporaryFolder } from '../../support/pki.ts';

/** As kubectl writes it, with comments by hand. */
const mine = `# my clusters
apiVersion: v1
clusters:
- cluster:
    insecure-skip-tls-verify: true # only in the lab
    server: https://lab.example:6443
  name: lab
contexts:
- context:
    cluster: lab
    user: "0123"
  name: lab
current-context: lab
kind: Config
preferences: {}
users:
- name: "0123"
  user:
    token: a very long token that must stay on one line, whatever its length is, because it was on one line
`;

function addition(name: string, server = 'https://10.88.0.2:6443'): string {
  const entry = `k8s-single-${name}`;
  return `apiVersion: v1
kind: Config
clusters:
- name: ${entry}
  cluster:
    server: ${server}
users:
- name: ${entry}
  user:
    token: abc
contexts:
- name: ${entry}
  context:
    cluster: ${entry}
    user: ${entry}
current-context: ${entry}
`;
}

async function kubeconfig(content?: string): Promise<string> {
  const path = join(await temporaryFolder(), 'config');
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

const text = (path: string): string => readFileSync(path, 'utf8');

describe('merge', () => {
  test('adds a node and keeps everything else as it was written', async () => {
    const path = await kubeconfig(mine);
    mergeKubeconfig(path, addition('default'));
    const lines = text(path).split('\n');
    const kept = mine.split('\n').filter((line) => !line.startsWith('current-context'));
    expect(kept.filter((line) => !lines.includes(line))).toEqual([]);
    const config = parse(text(path));
    expect(config['current-context']).toBe('k8s-single-default');
    expect(config.clusters[1]).toEqual(parse(addition('default')).clusters[0]);
    expect(config.users[1]).toEqual(parse(addition('default')).users[0]);
    expect(config.contexts[1]).toEqual(parse(addition('default')).contexts[0]);
  });

  test('replaces the node that is already there, beside others', async () => {
    const path = await kubeconfig(mine);
    for (const name of ['one', 'two', 'one']) mergeKubeconfig(path, addition(name));
    mergeKubeconfig(path, addition('one', 'https://10.88.0.9:6443'));
    const { clusters } = parse(text(path));
    expect(clusters.map(({ name }: { name: string }) => name)).toEqual([
      'lab',
      'k8s-single-one',
      'k8s-single-two',
    ]);
    expect(clusters[1].cluster.server).toBe('https://10.88.0.9:6443');
  });

  test.each([
    ['is not there', undefined],
    ['is empty', ''],
    [
      'has nulls for lists, as kubectl writes them',
      'apiVersion: v1\nkind: Config\nclusters: null\nusers: null\n',
    ],
    ['has empty lists', 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n'],
    ['is JSON', '{"apiVersion": "v1", "kind": "Config", "clusters": [], "users": null}'],
  ])('writes a complete kubeconfig to a file that %s', async (_, content) => {
    const path = await kubeconfig(content);
    mergeKubeconfig(path, addition('default'));
    expect(parse(text(path))).toEqual(parse(addition('default')));
  });

  test('makes the folder, keeps lists indented, and sets the mode to 0600', async () => {
    const path = join(await temporaryFolder(), '.kube', 'config');
    mergeKubeconfig(path, addition('default'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, 'kind: Config\nclusters:\n  - name: a\n    cluster: {}\n');
    chmodSync(path, 0o644);
    mergeKubeconfig(path, addition('default'));
    expect(text(path)).toContain('\n  - name: a\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('follows a symbolic link and keeps the owner of the file', async () => {
    const real = await kubeconfig(mine);
    if (process.getuid?.() === 0) chownSync(real, 12345, 54321);
    const { uid, gid } = statSync(real);
    const link = join(await temporaryFolder(), 'config');
    symlinkSync(real, link);
    mergeKubeconfig(link, addition('default'));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(text(real)).toContain('k8s-single-default');
    expect(statSync(real)).toMatchObject({ uid, gid });
  });
});

describe('remove', () => {
  test('restores the file as it was before merge, except for the current context', async () => {
    const path = await kubeconfig(mine);
    mergeKubeconfig(path, addition('default'));
    expect(removeFromKubeconfig(path, 'default')).toBe(true);
    expect(text(path)).toBe(mine.replace('current-context: lab', 'current-context: ""'));
  });

  test('keeps another current context', async () => {
    const path = await kubeconfig(mine);
    mergeKubeconfig(path, addition('one'));
    mergeKubeconfig(path, addition('two'));
    removeFromKubeconfig(path, 'one');
    expect(parse(text(path))['current-context']).toBe('k8s-single-two');
  });

  test('does not touch a file without the node, and does not create one', async () => {
    const odd = 'clusters:   [ {name: lab} ]\n';
    const path = await kubeconfig(odd);
    expect(removeFromKubeconfig(path, 'default')).toBe(false);
    expect(text(path)).toBe(odd);
    const none = await kubeconfig();
    expect(removeFromKubeconfig(none, 'default')).toBe(false);
    expect(existsSync(none)).toBe(false);
  });
});

describe('refuses', () => {
  test.each([
    ['what is not YAML', 'clusters: [', /is not a kubeconfig: .* at line 1/u],
    ['what is not a map', '- a\n- b\n', /is not a kubeconfig: it is not a map/u],
    ['a section that is not a list', 'clusters: many\n', /is not a kubeconfig: its clusters are not a list/u],
  ])('%s, and leaves it alone', async (_, content, message) => {
    const path = await kubeconfig(content);
    expect(() => mergeKubeconfig(path, addition('default'))).toThrow(message);
    expect(text(path)).toBe(content);
    expect(readdirSync(join(path, '..'))).toEqual(['config']);
  });

  test('a file that another program has locked, and leaves the lock', async () => {
    const path = await kubeconfig(mine);
    writeFileSync(`${path}.lock`, '');
    const locked = expect.objectContaining({
      code: 'preflight',
      message: expect.stringContaining(`another program holds ${path}.lock`),
      hint: expect.stringContaining(`remove ${path}.lock`),
    });
    expect(() => mergeKubeconfig(path, addition('default'))).toThrow(locked);
    expect(() => removeFromKubeconfig(path, 'default')).toThrow(locked);
    expect(text(path)).toBe(mine);
    expect(existsSync(`${path}.lock`)).toBe(true);
  });
});

test("the user's kubeconfig is the one kubectl would change", async () => {
  const path = await kubeconfig(mine);
  expect(userKubeconfig({})).toBe(join(homedir(), '.kube', 'config'));
  expect(userKubeconfig({ KUBECONFIG: `/nowhere/a:${path}:/nowhere/b` })).toBe(path);
  expect(userKubeconfig({ KUBECONFIG: ':/nowhere/a:/nowhere/b' })).toBe('/nowhere/b');
});
