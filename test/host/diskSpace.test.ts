import { expect, it } from 'vitest';
import { inNamespaces } from '../support/namespaces.ts';

/** The result of the check for a disk of `mib` MiB with `used` of it in use. */
async function check({ mib, used = 0, minFreeMiB, options = '' }: Disk): Promise<unknown> {
  return inNamespaces(
    `mount -t tmpfs -o size=${mib}m${options} tmpfs /mnt; fallocate -l ${used}M /mnt/used || :`,
    `const { checkDisk } = await use('host/diskSpace.js'); return checkDisk('/mnt/node', ${minFreeMiB});`,
  );
}

interface Disk {
  readonly mib: number;
  readonly used?: number;
  readonly minFreeMiB?: number;
  readonly options?: string;
}

it('5 % of the disk must be free, but not more than 1 GiB', async () => {
  expect(await check({ mib: 4000 })).toMatchObject({ level: 'ok', message: '3.9 GiB free for /mnt/node' });
  expect(await check({ mib: 4000, used: 3790 })).toMatchObject({
    level: 'note',
    subject: 'disk',
    message: 'nearly full: 210 MiB free for /mnt/node; below 200 MiB the kubelet evicts pods',
  });
  expect(await check({ mib: 4000, used: 3810 })).toMatchObject({
    level: 'problem',
    message: '190 MiB free for /mnt/node: below 200 MiB the kubelet evicts pods',
    remedy: 'free some, or choose another folder: --data-dir',
  });
});

it('kubelet.minFreeMiB is the limit instead; 0 turns it off', async () => {
  expect(await check({ mib: 4000, minFreeMiB: 5000 })).toMatchObject({ level: 'problem' });
  expect(await check({ mib: 4000, used: 4000, minFreeMiB: 0 })).toMatchObject({
    level: 'note',
    message: 'nearly full: 0 B free for /mnt/node',
  });
});

it('a disk without inodes is full, too', async () => {
  expect(await check({ mib: 4000, options: ',nr_inodes=2', used: 1 })).toMatchObject({
    level: 'problem',
    message: '0.0 % of the inodes free for /mnt/node: too few',
  });
});
