import { readFileSync } from 'node:fs';
import { expect, test, describe } from 'vitest';
import { canLowerOomScore } from '../../src/host/oomScore.ts';
import { inNamespaces } from '../support/namespaces.ts';
import { tempDir } from '../support/cli.ts';

const memory = (place: string): string => `mount -n -t tmpfs tmpfs ${place}`;

test('the oom score can be lowered only with CAP_SYS_RESOURCE, and is restored', () => {
  const score = (): string => readFileSync('/proc/self/oom_score_adj', 'utf8');
  const before = score();
  const effective = /^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  // Bit 24 (capabilities(7)).
  expect(canLowerOomScore()).toBe(((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n);
  expect(score()).toBe(before);
});

describe('the snapshotter', () => {
  test.for([
    { where: 'a disk', setup: () => ':', chosen: 'overlayfs' },
    {
      where: 'a disk that has to be tried',
      setup: () => 'mount -n --bind /dev/null /proc/filesystems',
      chosen: 'overlayfs',
    },
    {
      where: 'an overlay, like the root of a container',
      setup: (dir: string) =>
        `${memory(dir)}; cd ${dir}; mkdir l u w m; mount -n -t overlay -o lowerdir=l,upperdir=u,workdir=w o m; cd /; mount -n --move ${dir}/m /mnt; mount -n --bind /mnt ${dir}`,
      chosen: 'native',
    },
  ])('on $where is $chosen, and the trial leaves no files', async ({ setup, chosen }) => {
    const dir = await tempDir('snapshotter');
    const choose = `const { chooseSnapshotter } = await use('host/snapshotter.js');
      const { readdirSync } = await import('node:fs');
      return [await chooseSnapshotter('${dir}/not/yet/there'), readdirSync('${dir}/.')];`;
    expect(await inNamespaces(`${setup(dir)}; cd ${dir}`, choose)).toEqual([chosen, []]);
  });
});

describe('the kernel log', () => {
  const whyNot = `return (await use('host/kernelLog.js')).whyNoKernelLog()`;
  test('of this machine can be read', async () => {
    expect(await inNamespaces(':', whyNot)).toBe(null);
  });

  test.for([
    { case: 'is missing', setup: 'mount -n -t tmpfs tmpfs /dev', reason: /ENOENT/ },
    {
      case: 'may not be opened',
      setup: 'mount -n -t tmpfs -o nodev tmpfs /dev; mknod /dev/kmsg c 1 11',
      reason: /EACCES/,
    },
    { case: 'is a pipe', setup: 'mount -n -t tmpfs tmpfs /dev; mkfifo /dev/kmsg', reason: /not a device/ },
  ])('that $case cannot be read, with the reason', async ({ setup, reason }) => {
    expect(await inNamespaces(setup, whyNot)).toMatch(reason);
  });
});

describe("the machine's own address", () => {
  const own = `return (await use('host/ownAddress.js')).ownAddress()`;
  const link = (name: string, ip: string): string =>
    `ip link add ${name} type veth peer name p-${name}; ip link set p-${name} up; ` +
    `ip address add ${ip}/24 dev ${name}; ip link set ${name} up`;
  const links = [link('cni0', '10.244.0.1'), link('eth0', '192.0.2.7'), link('eth1', '198.51.100.7')].join(
    '; ',
  );

  test.for([
    {
      where: 'of the interface with the default route',
      route: 'ip route add default via 198.51.100.1',
      ip: '198.51.100.7',
    },
    { where: 'not of a bridge, without a default route', route: ':', ip: '192.0.2.7' },
  ])('is that $where', async ({ route, ip }) => {
    expect(await inNamespaces(`${links}; ${route}`, own)).toBe(ip);
  });

  test('is missing without an interface, with a remedy', async () => {
    expect(await inNamespaces(':', own)).toMatchObject({
      code: 'preflight',
      hint: expect.stringContaining('ip address add') as string,
    });
  });
});
