import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkNameServers, podResolvConf } from '../../src/host/resolvConf.ts';
import { tempDir } from '../support/cli.ts';

/** What pods get on a machine with these files. A file is given by its name. */
async function found(machine: string | undefined, upstreams?: string): Promise<string> {
  const dir = await tempDir('resolv-conf');
  await mkdir(dir, { recursive: true });
  const files = [join(dir, 'machine'), join(dir, 'upstreams')];
  if (machine !== undefined) await writeFile(files[0]!, machine);
  if (upstreams !== undefined) await writeFile(files[1]!, upstreams);
  const result = await podResolvConf('192.0.2.7', files);
  return 'file' in result ? result.file.slice(dir.length + 1) : result.text;
}

const many = [1, 2, 3, 4, 5].map((n) => `nameserver 192.0.2.${n}0\n`).join('');
const longSearch = `search ${Array.from({ length: 12 }, (_, n) => `domain-${n}.example.com`).join(' ')}\n`;

test.each([
  ['a real server', 'nameserver 192.0.2.53\n'],
  ['an IPv6 server', 'nameserver 2001:db8::53\n'],
  ['more than three servers, of which the kubelet takes three', many],
  ['a long search list, which the kubelet shortens', `${longSearch}nameserver 192.0.2.53`],
])('the file of the machine: %s', async (_what, text) => {
  expect(await found(text, 'nameserver 192.0.2.54\n')).toBe('machine');
});

test.each([
  '127.0.0.53',
  '127.0.0.1',
  '::1',
  '0.0.0.0',
  '::ffff:127.0.0.1',
  'fe80::1%eth0',
  '0:0:0:0:0:0:0:1',
])("systemd-resolved's servers instead of %s", async (server) => {
  const text = `nameserver ${server}\noptions edns0\n`;
  expect(await found(text, 'nameserver 192.0.2.53\n')).toBe('upstreams');
  // As kubeadm does, also for a mix.
  expect(await found(`nameserver 192.0.2.54\n${text}`, 'nameserver 192.0.2.53\n')).toBe('upstreams');
});

test.each([
  [
    'of a mix, the servers that are not loopback',
    'nameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver ::1\n',
    '',
  ],
  [
    'not a line without an address, for which the kubelet refuses all pods',
    'nameserver\nnameserver 192.0.2.53\n',
    '',
  ],
  ['not a server given by a name', 'nameserver dns.example.com\n  nameserver\t192.0.2.53\r\n', ''],
  [
    'the search list and the options',
    `${longSearch}nameserver ::1\nnameserver 192.0.2.53\noptions ndots:2 trust-ad\n`,
    `${longSearch}options ndots:2 trust-ad\n`,
  ],
])('otherwise %s', async (_what, text, rest) => {
  expect(await found(text)).toBe(`nameserver 192.0.2.53\n${rest}`);
});

test.each([
  ['no file', undefined],
  ['an empty file', ''],
  ['only comments', '# nameserver 192.0.2.53\n; nothing\n'],
  ['only loopback', 'nameserver 127.0.0.53\n'],
])("the node's own address: %s", async (_what, text) => {
  expect(await found(text)).toBe('nameserver 192.0.2.7\n');
  // What systemd-resolved writes without a network.
  expect(await found(text, '# No DNS servers known.\n')).toBe('nameserver 192.0.2.7\n');
});

test.each([
  ['note', '# No servers\n', /machine and .*upstreams name none that pods can reach: .*CoreDNS/],
  ['note', 'nameserver 127.0.0.53\n', /name none that pods can reach/],
  ['ok', 'nameserver 127.0.0.1\nnameserver 192.0.2.53\n', /^192\.0\.2\.53$/],
  ['ok', 'nameserver 192.0.2.53\n', /^those of .*\/machine$/],
])('doctor and up: %s for %j', async (level, text, message) => {
  const dir = await tempDir('resolv-conf');
  const files = [join(dir, 'machine'), join(dir, 'upstreams')];
  await mkdir(dir, { recursive: true });
  await writeFile(files[0]!, text);
  expect(await checkNameServers(files)).toMatchObject({
    level,
    subject: 'name servers',
    message: expect.stringMatching(message) as string,
  });
});
