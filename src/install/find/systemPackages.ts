import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { BinarySpec } from './binaries.ts';
import { systemPath } from './findBinaries.ts';

interface PackageManager {
  readonly program: string;
  readonly install: string;
  /** Names that differ from Debian's. */
  readonly names: Readonly<Record<string, string>>;
}

const ofRedHat = {
  iptables: 'iptables-nft',
  conntrack: 'conntrack-tools',
  iproute2: 'iproute',
  mount: 'util-linux',
};

/** By the package indexes of the distributions. The first one that a machine has counts. */
const managers: readonly PackageManager[] = [
  { program: 'apt-get', install: 'apt-get install', names: {} },
  { program: 'dnf', install: 'dnf install', names: ofRedHat },
  { program: 'yum', install: 'yum install', names: ofRedHat },
  {
    program: 'zypper',
    install: 'zypper install',
    names: { conntrack: 'conntrack-tools', mount: 'util-linux' },
  },
  {
    program: 'pacman',
    install: 'pacman -S',
    names: { iptables: 'iptables-nft', conntrack: 'conntrack-tools', mount: 'util-linux' },
  },
  {
    program: 'apk',
    install: 'apk add',
    // One package has a command for each IP version, as Debian's does.
    names: { conntrack: 'conntrack-tools' },
  },
];

/** The command that installs these programs on this machine; without a package manager that we know, what Debian's packages are called. */
export function packageCommand(binaries: readonly BinarySpec[], path = systemPath()): string {
  const packages = [...new Set(binaries.map(({ debianPackage, name }) => debianPackage ?? name))];
  const manager = managers.find(({ program }) =>
    path.split(':').some((dir) => isProgram(join(dir, program))),
  );
  if (manager === undefined)
    return `install them with the package manager of this machine; Debian's packages are called ${packages.join(', ')}`;
  const names = [...new Set(packages.map((name) => manager.names[name] ?? name))];
  return `${manager.install} ${names.join(' ')}`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
