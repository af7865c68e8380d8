import { join } from 'node:path';
import { Failure } from '../lib/errors.ts';
import { buildSteps } from './build/buildSteps.ts';
import { kubernetesBuild } from './build/kubernetes.ts';
import { PrivateApt } from './debian/apt.ts';
import { chooseIptables, hasIptablesBackEnds, iptablesBinaries } from './debian/iptables.ts';
import { addPackages, exists } from './debian/packages.ts';
import type { BinarySpec } from './find/binaries.ts';
import { cachedReleases } from './find/cacheSets.ts';
import { debianKubernetes, debianTree, kubernetesDir } from './find/cacheLayout.ts';
import { systemPath } from './find/findBinaries.ts';
import { packageCommand } from './find/systemPackages.ts';
import { isOf } from './find/versionSkew.ts';
import { releaseArch } from './release/assets.ts';
import { publisherClient, requestReason } from './release/client.ts';
import type { PublisherClient } from './release/client.ts';
import { installAssets } from './release/installAssets.ts';
import { kubernetesHost, markerPath } from './release/kubernetes.ts';
import { defaultRelease, pairingOf } from './release/pairings.ts';
import { assetsOf, resolveRelease } from './release/release.ts';
import { remoteRepository } from './release/repository.ts';
import type { Repository } from './release/repository.ts';
import type { Run } from './run.ts';
import type { InstallStep } from './steps.ts';

/** What to install, and how. */
export interface Order {
  readonly missing: readonly BinarySpec[];
  readonly cacheDir: string;
  /** The version of Kubernetes; for the source `release`, an exact one. */
  readonly kubernetes: string | undefined;
  readonly run: Run;
  /** Where official releases come from. Default: the publishers. */
  readonly repository?: Repository;
  readonly signal: AbortSignal;
}

/** The steps that install what is missing. @throws Failure `install`, before any step, when this source does not have it. */
export type Source = (order: Order) => Promise<InstallStep[]>;

/** Where binaries come from when the machine has none. */
export const sources = { release, debian } as const satisfies Record<string, Source>;

/** `auto`: see {@link chooseSource}. */
export type SourceName = keyof typeof sources | 'auto';

/** A source with the version of Kubernetes that it will install. */
export interface ChosenSource {
  readonly source: keyof typeof sources;
  readonly kubernetes: string | undefined;
  /** Which and why, for people. Undefined when there was nothing to choose. */
  readonly reason?: string;
}

/** How long a server may take to answer before Debian is used, in ms. */
const answerMs = 3000;

/**
 * Chooses where missing binaries come from: official releases if their server answers within a few seconds, otherwise Debian.
 * @throws Failure `install` when neither can have what is missing
 */
export async function chooseSource(
  source: SourceName,
  order: Pick<Order, 'missing' | 'kubernetes' | 'signal'> & { readonly client: PublisherClient },
): Promise<ChosenSource> {
  const { missing, kubernetes, signal, client } = order;
  const fromRelease = async (reason?: string): Promise<ChosenSource> => {
    const version = await resolveRelease(kubernetes, remoteRepository(client), signal);
    return { source: 'release', kubernetes: version, ...(reason !== undefined && { reason }) };
  };
  if (source === 'release') return await fromRelease();
  const published = missing.filter(({ release: name }) => name !== undefined && name !== 'catatonit');
  if (source === 'debian' || published.length === 0) return { source: 'debian', kubernetes };
  const toBuild = missing.filter(({ debianPackage }) => debianPackage === undefined);
  // A version that nobody knows is a mistake, whoever answers.
  if (toBuild.length > 0 && kubernetes !== undefined) pairingOf(kubernetes);
  const problem = await releaseProblem(client, signal);
  if (problem === undefined) return await fromRelease(`official releases: ${client.name} answers`);
  if (!(await hasApt())) {
    const names = missing.map(({ name }) => name).join(', ');
    throw refuse(`missing: ${names}; ${problem}, and this machine has no apt-get`);
  }
  if (toBuild.length > 0 && kubernetes !== undefined && !isOf(debianKubernetes, kubernetes)) {
    throw refuse(`${problem}, and Debian offers Kubernetes ${debianKubernetes} only, not ${kubernetes}`);
  }
  return { source: 'debian', kubernetes, reason: `Debian: ${problem}` };
}

/**
 * What `stable` or `latest` is. When the server does not answer: the newest version in the cache, with the reason.
 * @throws Failure `install` when there is none
 */
export async function resolveMarker(
  request: 'stable' | 'latest',
  client: PublisherClient,
  cacheDir: string,
  signal: AbortSignal,
): Promise<{ readonly version: string; readonly reason: string }> {
  const problem = await releaseProblem(client, signal);
  const [newest] = cachedReleases(cacheDir);
  if (problem !== undefined && newest !== undefined) {
    return { version: newest, reason: `Kubernetes ${newest}, the newest in the cache: ${problem}` };
  }
  const version = await resolveRelease(request, remoteRepository(client), signal);
  return { version, reason: `Kubernetes ${request} is ${version}` };
}

function refuse(message: string): Failure {
  return new Failure('install', message, {
    hint: 'use install --from BUNDLE, --mirror URL, or give a folder that has them with --bin-dir',
  });
}

/** Why there are no official releases for this machine now. */
async function releaseProblem(client: PublisherClient, signal: AbortSignal): Promise<string | undefined> {
  const url = client.urlOf(kubernetesHost, markerPath('stable'));
  try {
    releaseArch();
    await client.text(url, signal, answerMs);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) return error.message;
    const reason = requestReason(error, url);
    const { host } = new URL(url);
    return reason.includes(host) ? reason : `${host} does not answer: ${reason}`;
  }
}

/** Official releases; what nobody releases comes from Debian's packages. */
async function release(order: Order): Promise<InstallStep[]> {
  const { missing, cacheDir, kubernetes = defaultRelease, run, signal } = order;
  const { repository = remoteRepository(publisherClient()) } = order;
  const { assets, unpublished } = assetsOf(missing, kubernetes, releaseArch());
  const steps: InstallStep[] = [];
  if (assets.length > 0) {
    const label = `Kubernetes ${kubernetes}`;
    const work: InstallStep['work'] = async (_report, reportFor) =>
      installAssets(assets, cacheDir, { repository, signal, reportFor, run });
    steps.push({ label, work });
  }
  if (unpublished.length === 0) return steps;
  // First: whether they can be had is known before hundreds of megabytes are downloaded.
  if (await hasApt()) return [...(await fromMachine({ ...order, missing: unpublished })), ...steps];
  throw new Failure(
    'install',
    `missing: ${namesOf(unpublished)}; no official release has them, and this machine has no apt-get`,
    { hint: packageCommand(unpublished) },
  );
}

/** The steps of {@link debian} for what is no official release; when apt fails, say what to do about that alone. */
async function fromMachine(order: Order): Promise<InstallStep[]> {
  const explain = (error: unknown): never => {
    if (!(error instanceof Failure)) throw error;
    const message = `no official release has ${namesOf(order.missing)}, and Debian's packages cannot be had: ${error.message}`;
    throw new Failure(error.code, message, {
      hint: [packageCommand(order.missing), error.hint].filter(Boolean).join('; '),
      cause: error,
    });
  };
  const steps = await debian(order);
  return steps.map(({ label, work }) => ({ label, work: async (...args) => work(...args).catch(explain) }));
}

function namesOf(binaries: readonly BinarySpec[]): string {
  return binaries.map(({ name }) => name).join(', ');
}

async function debian({
  missing,
  cacheDir,
  kubernetes = debianKubernetes,
  run,
}: Order): Promise<InstallStep[]> {
  const toBuild = missing.filter(({ debianPackage }) => debianPackage === undefined);
  if (toBuild.length > 0 && !isOf(debianKubernetes, kubernetes)) {
    throw new Failure('install', `Debian offers Kubernetes ${debianKubernetes} only, not ${kubernetes}`, {
      hint: `use --source release, or give a folder with the binaries of ${kubernetes} with --bin-dir`,
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
