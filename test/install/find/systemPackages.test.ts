import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeBinaries } from '../../../src/install/find/binaries.ts';
import { packageCommand } from '../../../src/install/find/systemPackages.ts';
import { tempDir } from '../../support/cli.ts';

const fromMachine = nodeBinaries.filter((binary) => !('release' in binary));

test.each([
  ['apt-get', 'apt-get install iptables conntrack iproute2 util-linux mount'],
  ['dnf', 'dnf install iptables-nft conntrack-tools iproute util-linux'],
  ['zypper', 'zypper install iptables conntrack-tools iproute2 util-linux'],
  ['pacman', 'pacman -S iptables-nft conntrack-tools iproute2 util-linux'],
  ['apk', 'apk add iptables conntrack-tools iproute2 util-linux mount'],
])('with %s, what no release has is installed by %j', async (manager, command) => {
  const dir = await tempDir('manager');
  await writeFile(join(dir, manager), '#!/bin/sh\n', { mode: 0o755 });
  expect(packageCommand(fromMachine, `/none:${dir}`)).toBe(command);
});

test('without a package manager that we know, the packages are named', () => {
  expect(packageCommand(fromMachine, '/none')).toMatch(
    /^install them with .*: |are called iptables, conntrack, /,
  );
});
