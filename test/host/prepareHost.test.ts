import { describe, expect, test } from 'vitest';
import { inNamespaces } from '../support/namespaces.ts';
import { tempDir } from '../support/cli.ts';

/** The sysctls, mounts and devices before a node starts. */
const state = `
  const state = () => ({
    forwarding: sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/route_localnet'),
    mounts: sh('cut -d" " -f 3-6 /proc/self/mountinfo | sort'),
    devices: sh('ls /dev'),
  });`;

async function prepared(setup: string, after: string): Promise<unknown> {
  const dir = await tempDir('direct');
  return inNamespaces(
    `mkdir ${dir}/run ${dir}/data; ${setup}`,
    `${state}
     const { prepareHost } = await use('host/prepareHost.js');
     const { rollBack } = await use('host/undoJournal.js');
     const [run, data] = ['${dir}/run', '${dir}/data'];
     const before = state();
     const prepare = (inContainer) => prepareHost({ run, data, kubelet: data + '/kubelet', inContainer });
     ${after}`,
  );
}

test('sysctls that are too low are raised while a node is up, and restored when it is down', async () => {
  const low = 'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet';
  const result = await prepared(
    low,
    `await prepare(false);
     const during = state();
     await rollBack(run);
     return [before.forwarding, during.forwarding, JSON.stringify(state()) === JSON.stringify(before)];`,
  );
  expect(result).toEqual(['0\n0', '1\n1', true]);
});

test.each(['net.ipv4.conf.default.forwarding', 'net.bridge.bridge-nf-call-iptables'])(
  '%s is turned on while a node is up, and restored when it is down',
  async (name) => {
    const file = `/proc/sys/${name.replaceAll('.', '/')}`;
    const result = await prepared(
      `echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > ${file}`,
      `await prepare(false);
       const during = sh('cat ${file}');
       await rollBack(run);
       return [during, sh('cat ${file}')];`,
    );
    expect(result).toEqual(['1', '0']);
  },
);

test('in a sandbox the network of the node forwards, also over the bridge, whatever it inherits', async () => {
  const names = ['ipv4/ip_forward', 'ipv4/conf/default/forwarding', 'bridge/bridge-nf-call-iptables'];
  const files = names.map((name) => `/proc/sys/net/${name}`);
  const [forward, ...others] = files;
  const result = await prepared(
    `echo 1 > ${forward}; for file in ${others.join(' ')}; do echo 0 > $file; done`,
    `await (await use('host/sysctls.js')).setSandboxSysctls();
     return sh('cat ${files.join(' ')}');`,
  );
  expect(result).toBe('1\n1\n1');
});

describe('without the module br_netfilter', () => {
  /** Hides the sysctls as if the module were not loaded. `modprobe`: the body of that program. */
  const without = (modprobe: string): string =>
    `mkdir /run/bin; printf '#!/bin/sh\n%s\n' '${modprobe}' > /run/bin/modprobe; chmod +x /run/bin/modprobe; ` +
    'export PATH=/run/bin:$PATH; mount -n -t tmpfs tmpfs /proc/sys/net/bridge';
  const inMemory = 'mount -n -t tmpfs tmpfs /run';

  test('it is loaded', async () => {
    const modprobe = 'echo "$*" >> /run/loaded; umount -n /proc/sys/net/bridge';
    const result = await prepared(
      `${inMemory}; ${without(modprobe)}`,
      `const found = (await prepare(false)).find(({ subject }) => subject === 'bridge filter');
       await rollBack(run);
       return [found.message, sh('cat /run/loaded')];`,
    );
    expect(result).toEqual(['net.bridge.bridge-nf-call-iptables is 1', 'br_netfilter']);
  });

  test('a host that cannot load it is refused, with the reason and a remedy', async () => {
    const modprobe = 'echo "modprobe: FATAL: Module br_netfilter not found." >&2; exit 1';
    const refused = await prepared(`${inMemory}; ${without(modprobe)}`, 'return prepare(false);');
    expect(refused).toEqual({
      code: 'preflight',
      message:
        'bridge filter: the kernel module br_netfilter is not loaded, so that pods would not reach Services: ' +
        'modprobe: FATAL: Module br_netfilter not found.',
      hint: expect.stringContaining('modprobe br_netfilter') as string,
    });
  });

  test('doctor says what up would do, and loads nothing', async () => {
    const levels = `
      const { checkSysctls } = await use('host/sysctls.js');
      const levels = [];
      for (const isDirect of [true, false])
        levels.push((await checkSysctls(isDirect)).find(({ subject }) => subject === 'bridge filter').level);
      return levels;`;
    const dryRun = '[ "$1" = --dry-run ] || umount -n /proc/sys/net/bridge';
    expect(await prepared(`${inMemory}; ${without(dryRun)}`, levels)).toEqual(['ok', 'ok']);
    expect(await prepared(`${inMemory}; ${without('exit 1')}`, levels)).toEqual(['problem', 'problem']);
  });
});

test('the machine-wide sysctls that the kubelet writes keep their values, read-only or not', async () => {
  const readOnly =
    'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ' +
    'mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys';
  const result = await prepared(
    readOnly,
    `const was = sh('cat /proc/sys/kernel/panic');
     const forwarding = (await prepare(true)).find(({ subject }) => subject === 'forwarding');
     sh('echo 77 > /proc/sys/kernel/panic');
     const now = sh('cat /proc/sys/kernel/panic');
     await rollBack(run);
     return [now, sh('cat /proc/sys/kernel/panic') === was, forwarding.level];`,
  );
  expect(result).toEqual(['77', true, 'note']);
});

test('a required sysctl that is too low and read-only is refused, with a remedy', async () => {
  const readOnly =
    'echo 0 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ' +
    'mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys';
  expect(await prepared(readOnly, 'return prepare(true);')).toEqual({
    code: 'preflight',
    message: 'forwarding: net.ipv4.ip_forward is 0 and read-only',
    hint: 'run the container with --privileged, or with --sysctl net.ipv4.ip_forward=1',
  });
});

test('a host without cgroups is refused, with a remedy', async () => {
  const none = 'umount -n --recursive --lazy /sys/fs/cgroup';
  expect(await prepared(none, 'return prepare(true);')).toEqual({
    code: 'preflight',
    message: 'cgroups: no cgroup hierarchy is mounted',
    hint: expect.stringContaining('--privileged') as string,
  });
});

test('a host whose cgroups lack controllers is refused, with their names', async () => {
  const group = '/mnt/k8s-single-test-without';
  // A cgroup does not enable controllers for its children by default.
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

test('a missing kernel log is replaced by an empty one', async () => {
  const result = await prepared(
    'mount -n -t tmpfs tmpfs /dev; mknod -m 666 /dev/null c 1 3',
    `const found = (await prepare(true)).find(({ subject }) => subject === 'kernel log');
     const log = sh('wc -c < /dev/kmsg');
     await rollBack(run);
     return [found.level, log, sh('ls /dev')];`,
  );
  expect(result).toEqual(['note', '0', 'null']);
});

test('the mounts of a container become shared, those of a host stay private', async () => {
  const after = (inContainer: boolean): string =>
    `await prepare(${inContainer});
     await rollBack(run);
     return sh('findmnt -n -o PROPAGATION /');`;
  expect(await prepared(':', after(true))).toBe('shared');
  expect(await prepared(':', after(false))).toBe('private');
});

test('a value that someone else has set since is kept', async () => {
  const result = await prepared(
    'echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet',
    `const { recordUndo } = await use('host/undoJournal.js');
     const file = '/proc/sys/net/ipv4/conf/all/route_localnet';
     await recordUndo(run, { kind: 'sysctl', file, before: '0', after: '5' });
     sh('echo 1 > ' + file);
     await rollBack(run);
     return sh('cat ' + file);`,
  );
  expect(result).toBe('1');
});
