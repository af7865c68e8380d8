import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkDataMount, needsOwnMount } from '../../src/host/dataMount.ts';
import type { Mount } from '../../src/lib/mountTable.ts';
import { tempDir } from '../support/cli.ts';

/** The mounts of a machine with this file system at a folder. Without a folder, at the root. */
function mountsWith(type: string, mountPoint?: string): Mount[] {
  const mount = { mountPoint: '/', device: '8:1', type: 'ext4', flags: ['rw'], isShared: true, options: [] };
  return mountPoint === undefined
    ? [{ ...mount, type, device: '0:40' }]
    : [mount, { ...mount, type, mountPoint, device: '0:40' }];
}

describe('the file system of the data folder', () => {
  test.each(['fuse', 'fuse.sshfs', 'fuseblk', '9p', 'virtiofs', 'cifs', 'f2fs', 'bcachefs'])(
    '%s is refused with its name and what to do',
    async (type) => {
      const data = await tempDir('data');
      expect(checkDataMount(`${data}/node`, { mounts: mountsWith(type, data) })).toEqual({
        level: 'problem',
        subject: 'file system',
        message: `${data}/node is on ${type}, mounted at ${data}: the kubelet cannot measure it and does not start`,
        remedy: expect.stringContaining('--data-dir') as string,
      });
    },
  );

  test.each(['ext2', 'ext4', 'xfs', 'btrfs', 'zfs', 'tmpfs', 'overlay'])('%s is accepted', async (type) => {
    const data = await tempDir('data');
    const { level, message } = checkDataMount(data, { mounts: mountsWith(type, data) });
    expect([level, message]).toEqual(['ok', type]);
  });

  test('NFS is accepted from Kubernetes 1.21 on', async () => {
    const data = await tempDir('data');
    const level = (kubernetes?: string) =>
      checkDataMount(data, { kubernetes, mounts: mountsWith('nfs4', data) }).level;
    expect([level('1.20.2'), level('1.21.0'), level()]).toEqual(['problem', 'ok', 'ok']);
  });

  test('any is accepted at the root, which the kubelet always measures', () => {
    expect(checkDataMount('/var/lib/none', { mounts: mountsWith('f2fs') }).level).toBe('ok');
  });

  test('noexec is a note, and a problem where layers are folders of that file system', async () => {
    const data = await tempDir('data');
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'noexec', 'tmpfs', data]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', data])));
    const found = checkDataMount(`${data}/node`, { snapshotter: 'overlayfs' });
    expect(found).toEqual({
      level: 'note',
      subject: 'file system',
      message: `tmpfs, mounted with noexec at ${data}: pods cannot run programs from their volumes, such as emptyDir`,
      remedy: `mount -o remount,exec ${data}, or choose another folder: --data-dir`,
    });
    expect(checkDataMount(`${data}/node`, { snapshotter: 'native' }).level).toBe('problem');
  });

  test('a folder of a btrfs at the root needs a mount of its own', async () => {
    const data = await tempDir('data');
    expect(needsOwnMount(data, mountsWith('btrfs'))).toBe(true);
    expect(needsOwnMount(data, mountsWith('btrfs', data))).toBe(false);
    expect(needsOwnMount(data, mountsWith('ext4'))).toBe(false);
  });
});
