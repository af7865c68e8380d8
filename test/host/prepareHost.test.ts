import { expect, test } from 'vitest';
import { apart } from '../support/apart.ts';
import { tempDir } from '../support/cli.ts';

/** The kernel's settings, the mounts and the interfaces, as a node may find them. */
const state = `
  const state = () => ({
    forwarding: sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/route_localnet'),
    mounts: sh('cut -d" " -f 3-6 /proc/self/mountinfo | sort'),
    devices: sh('ls /dev'),
  });`;

async function prepared(furnish: string, after: string): Promise<unknown> {
  const dir = await tempDir('here');
  return apart(
    `mkdir ${dir}/run ${dir}/data; ${furnish}`,
    `${state}
     const { prepareHere } = await use('host/prepareHost.js');
     const { takeBack } = await use('host/undoJournal.js');
     const [run, data] = ['${dir}/run', '${dir}/data'];
     const before = state();
     const prepare = (inContainer) => prepareHere({ run, data, kubelet: data + '/kubelet', inContainer });
     ${after}`,
  );
}

test('what is too low is raised while a node is up, and all is as before when it is down', async () => {
  const low = 'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet';
  const seen = await prepared(
    low,
    `await prepare(false);
     const during = state();
     await takeBack(run);
     return [before.forwarding, during.forwarding, JSON.stringify(state()) === JSON.stringify(before)];`,
  );
  expect(seen).toEqual(['0\n0', '1\n1', true]);
});

test('the settings of the whole machine that the kubelet writes stay what they are, read-only or not', async () => {
  const readOnly =
    'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ' +
    'mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys';
  const seen = await prepared(
    readOnly,
    `const was = sh('cat /proc/sys/kernel/panic');
     const forwarding = (await prepare(true)).find(({ what }) => what === 'forwarding');
     sh('echo 77 > /proc/sys/kernel/panic');
     const now = sh('cat /proc/sys/kernel/panic');
     await takeBack(run);
     return [now, sh('cat /proc/sys/kernel/panic') === was, forwarding.is];`,
  );
  expect(seen).toEqual(['77', true, 'note']);
});

test('what a node cannot do without and is read-only is refused, with what to do', async () => {
  const readOnly =
    'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ' +
    'mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys';
  expect(await prepared(readOnly, 'return prepare(true);')).toEqual({
    code: 'preflight',
    message: 'forwarding: net.ipv4.ip_forward is 0 and read-only',
    hint: 'run the container with --privileged, or with --sysctl net.ipv4.ip_forward=1',
  });
});

test('where there are no cgroups, it is refused, with what to do', async () => {
  const none = 'umount -n --recursive --lazy /sys/fs/cgroup';
  expect(await prepared(none, 'return prepare(true);')).toEqual({
    code: 'preflight',
    message: 'cgroups: no cgroup hierarchy is mounted',
    hint: expect.stringContaining('--privileged') as string,
  });
});

test('where cgroups have no controllers, it is refused, with which', async () => {
  const group = '/mnt/k8s-single-test-without';
  // What a cgroup has not been told to hand on, those below it do not have.
  const without =
    `umount -n --recursive --lazy /sys/fs/cgroup; mount -n -t cgroup2 cgroup2 /mnt; mkdir -p ${group}/any; ` +
    `mount -n --bind ${group}/any /sys/fs/cgroup`;
  const refused = `return prepare(true).finally(() => sh('rmdir ${group}/any ${group}'));`;
  expect(await prepared(without, refused)).toEqual({
    code: 'preflight',
    message: 'cgroups: without the controllers cpu, cpuset, memory, pids',
    hint: expect.stringContaining('delegate') as string,
  });
});

test('where the kernel log is missing there is an empty one', async () => {
  const seen = await prepared(
    'mount -n -t tmpfs tmpfs /dev; mknod -m 666 /dev/null c 1 3',
    `const found = (await prepare(true)).find(({ what }) => what === 'kernel log');
     const log = sh('wc -c < /dev/kmsg');
     await takeBack(run);
     return [found.is, log, sh('ls /dev')];`,
  );
  expect(seen).toEqual(['note', '0', 'null']);
});

test('the mounts of a container become shared, those of a host stay what they are', async () => {
  const after = (inContainer: boolean): string =>
    `await prepare(${inContainer});
     await takeBack(run);
     return sh('findmnt -n -o PROPAGATION /');`;
  expect(await prepared(':', after(true))).toBe('shared');
  expect(await prepared(':', after(false))).toBe('private');
});

test('what somebody else has set since stays', async () => {
  const seen = await prepared(
    'echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet',
    `const { remember } = await use('host/undoJournal.js');
     const file = '/proc/sys/net/ipv4/conf/all/route_localnet';
     await remember(run, { kind: 'setting', file, was: '0', now: '5' });
     sh('echo 1 > ' + file);
     await takeBack(run);
     return sh('cat ' + file);`,
  );
  expect(seen).toBe('1');
});
