import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { privateApt } from './debian/apt.ts';
import { debianKubernetes, debianTree, kubernetesDir } from './find/cache.ts';
import { addPackages, isThere } from './debian/debian.ts';
import { systemPath } from './find/find.ts';
import { chooseIptables, hasBackEnds, iptablesNeeds } from './debian/iptables.ts';
import { kubernetesBuild } from './build/kubernetes.ts';
import { makeSet } from './build/makeSet.ts';
import { type BinarySpec } from './find/needs.ts';
import type { Run } from './run.ts';
import { isOf } from './find/skew.ts';
import type { InstallStep } from './stages.ts';

/** What a source is given to bring what is missing. */
interface Order {
  readonly missing: readonly BinarySpec[];
  readonly cacheDir: string;
  /** The version of Kubernetes that was asked for. */
  readonly kubernetes: string | undefined;
  readonly run: Run;
}

/** The stages that bring what is ordered. @throws Failure `install` at once when it cannot. */
export type Source = (order: Order) => Promise<InstallStep[]>;

/** Where binaries come from when the machine has none. */
export const sources = {
  auto: async (order) => {
    if (await hasApt()) return await debian(order);
    throw new Failure(
      'install',
      `missing here: ${order.missing.map((need) => need.name).join(', ')}; and no apt`,
      {
        hint: 'give a folder that has them with --bin-dir',
      },
    );
  },
  debian,
  release: async () => {
    throw new Failure('install', 'the source "release" is not available yet', {
      hint: 'use --source debian, or give binaries with --bin-dir',
    });
  },
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;

async function debian({
  missing,
  cacheDir,
  kubernetes = debianKubernetes,
  run,
}: Order): Promise<InstallStep[]> {
  const built = missing.filter((need) => need.debian === undefined);
  if (built.length > 0 && !isOf(debianKubernetes, kubernetes)) {
    throw new Failure('install', `Debian offers Kubernetes ${debianKubernetes} only, not ${kubernetes}`, {
      hint: `give a folder with the binaries of ${kubernetes} with --bin-dir`,
    });
  }
  if (!(await hasApt())) {
    throw new Failure('install', 'the source "debian" needs apt-get, and this machine has none', {
      hint: 'give a folder with the binaries with --bin-dir',
    });
  }
  const apt = privateApt(join(cacheDir, 'apt'), run);
  const tree = debianTree(cacheDir);
  const stages: InstallStep[] = [];
  const iptables = missing.some((need) => need.debian === 'iptables');
  const wanted = missing.filter((need) => need.debian !== undefined && need.debian !== 'iptables');
  if (iptables && !(await hasBackEnds(tree))) wanted.push(...iptablesNeeds);
  if (wanted.length > 0) {
    stages.push({ label: 'Debian packages', work: (report) => addPackages(apt, tree, wanted, report) });
  }
  if (iptables) {
    stages.push({ label: 'iptables', work: (report) => chooseIptables(tree, run, report) });
  }
  if (built.length > 0) {
    const work = join(cacheDir, 'build');
    const names = built.map(({ name }) => name);
    const make = (out: string) => kubernetesBuild(apt, run, names, { work, out });
    stages.push(
      ...makeSet({ target: kubernetesDir(cacheDir), needs: built, version: debianKubernetes, work, make }),
    );
  }
  return stages;
}

async function hasApt(): Promise<boolean> {
  const dirs = systemPath().split(':');
  return (await Promise.all(dirs.map((dir) => isThere(join(dir, 'apt-get'))))).includes(true);
}
