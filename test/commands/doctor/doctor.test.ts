import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { main, tempDir } from '../../support/cli.ts';

/** What doctor says where a shell script has furnished namespaces of its own. */
async function doctor(furnish: string, ...args: string[]) {
  const run = `set -e; ${furnish}\nexec '${process.execPath}' '${main}' doctor --name doctor-test "$@"`;
  const unshare = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const result = await execa('unshare', [...unshare, 'sh', '-c', run, 'sh', ...args], { reject: false });
  return { exitCode: result.exitCode, stdout: result.stdout };
}

const address =
  'ip link add eth0 type veth peer name peer; ip address add 192.0.2.9/24 dev eth0; ip link set peer up; ip link set eth0 up';

test('what would keep a node from running right here is a problem, with what to do', async () => {
  const readOnly =
    'echo 0 > /proc/sys/net/ipv4/ip_forward; mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys; ' +
    'mount -n -t tmpfs -o ro tmpfs /sys/fs/cgroup';
  const { exitCode, stdout } = await doctor(readOnly, '--host');
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(/✗ forwarding +net.ipv4.ip_forward is 0.* and read-only\n.*--privileged.*--sysctl/);
  expect(stdout).toMatch(/✗ cgroups .*\n.*--privileged/);
  expect(stdout).toMatch(/✗ address +no network interface has an IPv4 address/);
});

test('an address that is another than the last time is told', async () => {
  const dir = await tempDir('doctor');
  await mkdir(join(dir, 'kubeconfig'));
  await writeFile(
    join(dir, 'kubeconfig/admin.conf'),
    'clusters: [{ cluster: { server: https://192.0.2.8:6443 } }]',
  );
  const { stdout } = await doctor(address, '--host', '--data-dir', dir);
  expect(stdout).toContain('192.0.2.9, the last time 192.0.2.8: certificates are issued anew');
});

test('what a node does without is a note: what was found, what is chosen, what to do', async () => {
  const dir = await tempDir('doctor');
  const poor =
    `${address}; mount -n -t tmpfs tmpfs /dev; mknod -m 666 /dev/null c 1 3; ` +
    `mount -n -t tmpfs tmpfs ${dir}; cd ${dir}; mkdir l u w data; ` +
    'mount -n -t overlay -o lowerdir=l,upperdir=u,workdir=w o data';
  const { stdout } = await doctor(poor, '--host', '--data-dir', `${dir}/data`);
  expect(stdout).toMatch(/· kernel log +none .*: the kubelet gets an empty one.*\n.*--device \/dev\/kmsg/);
  expect(stdout).toMatch(/· snapshotter +native: .*\n.*a volume/);
  expect(stdout).toMatch(/✓ address +192\.0\.2\.9\n/);
  expect(stdout).toMatch(/✓ swap +/);
  expect(stdout).not.toMatch(/✗ (?!port)/);
});
