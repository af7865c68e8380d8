import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { runitStarts, writePeer } from '../../bench/peerFiles.ts';
import { tempDir } from '../support/cli.ts';

const args = ['50%', "it's", 'two words', '$HOME'];
const program = { name: 'etcd', argv: ['printf', '%s\\n', ...args] as const };

test('runit passes arguments unchanged, and counts each start', async () => {
  const dir = await tempDir('bench');
  await writePeer('runit', [program], { dir, logs: dir });
  for (let start = 0; start < 2; start += 1) await execa(join(dir, 'services/etcd/run'));
  expect(await readFile(join(dir, 'etcd.log'), 'utf8')).toBe(`${args.join('\n')}\n`);
  expect(await readFile(runitStarts(dir), 'utf8')).toBe('etcd\netcd\n');
});

test('escapes per cent signs for supervisord', async () => {
  const dir = await tempDir('bench');
  await writePeer('supervisord', [program], { dir, logs: dir });
  const config = await readFile(join(dir, 'supervisord.conf'), 'utf8');
  expect(config).toContain(String.raw`command=printf '%%s\n' 50%% 'it'\''s' 'two words' '$HOME'`);
});

test('the script sleeps between the stages, but not after the last', async () => {
  const dir = await tempDir('bench');
  const programs = ['kubelet', 'apiserver', 'etcd', 'containerd'].map((name) => ({
    name,
    argv: [name] as const,
  }));
  const [, file] = await writePeer('script', programs, { dir, logs: dir });
  const lines = (await readFile(file ?? '', 'utf8')).split('\n');
  const order = lines.map((line) => line.split(' ')[0]).filter((word) => /^[a-z]+$/.test(word ?? ''));
  expect(order).toEqual(['trap', 'etcd', 'containerd', 'sleep', 'apiserver', 'sleep', 'kubelet', 'wait']);
});
