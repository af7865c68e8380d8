import { spawnSync } from 'node:child_process';
import { afterEach, expect, it, vi } from 'vitest';
import { nodeCommand, shellQuote } from '../../src/lib/commandLine.ts';

afterEach(() => vi.unstubAllEnvs());

it.each([
  [nodeCommand('up', { name: 'default' }), 'k8s-single up'],
  [nodeCommand('status', { name: 'a' }, '--wait'), 'k8s-single status --name a --wait'],
  [nodeCommand('logs', { name: 'a', dataDir: '/d' }, 'etcd'), 'k8s-single logs --name a --data-dir /d etcd'],
  [nodeCommand('logs', { name: 'a', dataDir: '/var/lib/k8s-single/a' }), 'k8s-single logs --name a'],
  [nodeCommand('down', { name: 'default', dataDir: '/a b' }), "k8s-single down --data-dir '/a b'"],
  // Asks the running node, and has no such option.
  [nodeCommand('status', { name: 'default', dataDir: '/d' }), 'k8s-single status'],
])('%s', (made, expected) => {
  expect(made).toBe(expected);
});

it('also names the default node when the environment names another one', () => {
  vi.stubEnv('K8S_SINGLE_NAME', 'other');
  expect(nodeCommand('down', { name: 'default' })).toBe('k8s-single down --name default');
});

it.each(["it's", '$HOME', '`x`', '"', '\\', '*', '', 'a\nb', '#x', '~', '--plain=a,b:/c'])(
  'a shell reads %j literally',
  (word) => {
    expect(spawnSync('sh', ['-c', `printf %s ${shellQuote(word)}`], { encoding: 'utf8' }).stdout).toBe(word);
  },
);
