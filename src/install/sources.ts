import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { buildSteps } from './build/buildSteps.ts';
import { kubernetesBuild } from './build/kubernetes.ts';
import { PrivateApt } from './debian/apt.ts';
import { chooseIptables, hasIptablesBackEnds, iptablesBinaries } from './debian/iptables.ts';
import { addPackages, exists } from './debian/packages.ts';
import type { BinarySpec } from './find/binaries.ts';
import { debianKubernetes, debianTree, kubernetesDir } from './find/cacheLayout.ts';
import { systemPath } from './find/findBinaries.ts';
import { isOf } from './find/versionSkew.ts';
import type { Run } from './run.ts';
import type { InstallStep } from './steps.ts';

/** What to install, and how. */
interface Order {
  readonly missing: readonly BinarySpec[];
  readonly cacheDir: string;
  /** The requested version of Kubernetes. */
  readonly kubernetes: string | undefined;
  readonly run: Run;
}

/** The steps that install what is missing. @throws Failure `install`, before any step, when this source does not have it. */
export type Source = (order: Order) => Promise<InstallStep[]>;

/** Where binaries come from when the machine has none. */
export const sources = {
  auto: async (order) => {
    if (await hasApt()) return await debian(order);
    throw new Failure(
      'install',
      `missing: ${order.missing.map(({ name }) => name).join(', ')}; and this machine has no apt-get`,
      { hint: 'give a folder that has them with --bin-dir' },
    );
  },
  debian,
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;

async function debian({
  missing,
  cacheDir,
  kubernetes = debianKubernetes,
  run,
}: Order): Promise<InstallStep[]> {
  const toBuild = missing.filter(({ debianPackage }) => debianPackage === undefined);
  if (toBuild.length > 0 && !isOf(debianKubernetes, kubernetes)) {
    throw new Failure('install', `Debian offers Kubernetes ${debianKubernetes} only, not ${kubernetes}`, {
      hint: `give a folder with the binaries of ${kubernetes} with --bin-dir`,
    });
  }
  if (!(await hasApt())) {
    throw new Failure('install', 'the source "debian" needs apt-get, and this machine has none', {
      hint: 'give a folder with the binaries with --bin-dir',
    });
  }
  const apt = new PrivateApt(join(cacheDir, 'apt'), run);
  const tree = debianTree(cacheDir);
  const steps: InstallStep[] = [];
  const packaged = missing.filter(({ debianPackage }) => debianPackage !== undefined);
  const toUnpack = packaged.filter(({ debianPackage }) => debianPackage !== 'iptables');
  const needsIptables = toUnpack.length < packaged.length;
  if (needsIptables && !(await hasIptablesBackEnds(tree))) toUnpack.push(...iptablesBinaries);
  if (toUnpack.length > 0) {
    steps.push({ label: 'Debian packages', work: (report) => addPackages(apt, tree, toUnpack, report) });
  }
  if (needsIptables) {
    steps.push({ label: 'iptables', work: (report) => chooseIptables(tree, run, report) });
  }
  if (toBuild.length > 0) {
    const work = join(cacheDir, 'build');
    const names = toBuild.map(({ name }) => name);
    const build = (out: string) => kubernetesBuild(apt, run, names, { work, out });
    const target = kubernetesDir(cacheDir);
    steps.push(...buildSteps({ target, binaries: toBuild, version: debianKubernetes, work, build }));
  }
  return steps;
}

async function hasApt(): Promise<boolean> {
  const dirs = systemPath().split(':');
  return (await Promise.all(dirs.map((dir) => exists(join(dir, 'apt-get'))))).includes(true);
}
