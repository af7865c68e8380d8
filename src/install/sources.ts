import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { debianArch, privateApt } from './apt.ts';
import { addPackages, debianTree } from './debian.ts';
import { systemPath } from './find.ts';
import { chooseIptables } from './iptables.ts';
import { debianKubernetes, kubernetesBuild } from './kubernetes.ts';
import { makeSet } from './makeSet.ts';
import { nodeNeeds, type Need } from './needs.ts';
import type { Run } from './run.ts';
import type { Stage } from './stages.ts';

/** What a source is given to bring what is missing. */
export interface Order {
  readonly missing: readonly Need[];
  readonly cacheDir: string;
  /** The version of Kubernetes that was asked for. */
  readonly kubernetes: string | undefined;
  readonly run: Run;
}

/** @throws Failure `install` at once when it cannot bring what is ordered. */
type Source = (order: Order) => Promise<Stage[]>;

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

/** The folders of the cache that hold binaries, made or not. */
export async function cacheDirs(cacheDir: string): Promise<readonly string[]> {
  return [(await debianTree(cacheDir)).bin, kubernetesDir(cacheDir)];
}

function kubernetesDir(cacheDir: string): string {
  return join(cacheDir, 'kubernetes', `v${debianKubernetes}-${debianArch}`);
}

async function debian({ missing, cacheDir, kubernetes = debianKubernetes, run }: Order): Promise<Stage[]> {
  if (kubernetes.replace(/^v/, '') !== debianKubernetes) {
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
  const tree = await debianTree(cacheDir);
  const packaged = missing.filter((need) => need.debian !== undefined);
  const built = missing.filter((need) => need.debian === undefined);
  const work = join(cacheDir, 'build');
  const stages: Stage[] = [];
  if (packaged.length > 0) {
    stages.push({ label: 'Debian packages', work: (report) => addPackages(apt, tree, packaged, report) });
  }
  if (packaged.some((need) => need.debian === 'iptables')) {
    stages.push({ label: 'iptables', work: (report) => chooseIptables(tree, run, report) });
  }
  if (built.length > 0) {
    const target = kubernetesDir(cacheDir);
    const make = (out: string) => kubernetesBuild(apt, run, work, out);
    const needs = nodeNeeds.filter((need) => !('debian' in need));
    stages.push(...makeSet({ target, needs, version: debianKubernetes, work, make }));
  }
  return stages;
}

async function hasApt(): Promise<boolean> {
  const found = await Promise.all(
    systemPath()
      .split(':')
      .map((dir) =>
        access(join(dir, 'apt-get')).then(
          () => true,
          () => false,
        ),
      ),
  );
  return found.includes(true);
}
