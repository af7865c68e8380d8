import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NodeConfig } from '../config/schema/node.ts';
import { installBundle, writeBundle } from '../install/bundle.ts';
import { cacheEntries, pruneCache } from '../install/cacheContents.ts';
import type { CacheEntry, NodeVersions } from '../install/cacheContents.ts';
import { usesOf } from '../install/cacheUse.ts';
import { coreDnsBinary, nodeBinaries } from '../install/find/binaries.ts';
import { versionOf } from '../install/find/versions.ts';
import { install as installBinaries } from '../install/install.ts';
import type { Binaries } from '../install/install.ts';
import { releaseArch } from '../install/release/assets.ts';
import { publisherClient } from '../install/release/client.ts';
import { defaultRelease, minorOf } from '../install/release/pairings.ts';
import { assetsOf, resolveRelease } from '../install/release/release.ts';
import { remoteRepository } from '../install/release/repository.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { recordedKubernetes } from '../kubernetes/dataVersions.ts';
import { chooseDnsServer } from '../kubernetes/dns/chooseServer.ts';
import { cacheDir, nodePaths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { table } from '../lib/text/table.ts';
import { formatBytes } from '../lib/text/text.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { makeInitialObjects } from './makeInitialObjects.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { ConfigOptions, UpOptions } from '../supervisor/options.ts';
import { resolveBinaries, withProgress } from '../supervisor/resolveBinaries.ts';

interface InstallOptions
  extends
    Pick<ConfigOptions, 'config' | 'binDir' | 'kubernetes' | 'mirror'>,
    Pick<UpOptions, 'source' | 'output'> {
  readonly bundle?: string;
  readonly arch?: string;
  readonly image?: readonly string[];
  readonly from?: string;
  readonly list?: boolean;
  readonly prune?: boolean;
}

/** `k8s-single install`: installs what is missing and prints `name version path` for each binary. */
export async function install(options: InstallOptions): Promise<number> {
  if (options.list === true) return await listCache();
  if (options.prune === true) return await prune();
  using signals = new Signals();
  if (options.bundle !== undefined) return await bundle(options.bundle, options, signals.interrupted);
  const { source, output } = options;
  const { node } = await loadNodeConfig(options);
  if (options.from !== undefined) await installUnpublished(options, node, signals.interrupted);
  const kubernetes =
    options.from === undefined
      ? node.kubernetes
      : await withProgress(output, signals.interrupted, async (onProgress) =>
          installBundle(options.from ?? '', {
            cacheDir: cacheDir(),
            onProgress,
            signal: signals.interrupted,
          }),
        );
  const binaries = await resolveBinaries(
    { output, source: options.from === undefined ? source : 'release', install: true, forData: false },
    { ...node, ...(kubernetes === undefined ? {} : { kubernetes }), pasta: 'always' },
    signals.interrupted,
  );
  await withProgress(output, signals.interrupted, async (onProgress, print) =>
    makeInitialObjects(binaries, { ...node, onProgress, print, signal: signals.interrupted }),
  );
  const { files, versions } = binaries;
  const rows = nodeBinaries.map(({ name }) => ({ name, version: versions[name], path: files[name] }));
  const all = [...rows, ...(await coreDnsRow(node, binaries))];
  if (output === 'json') {
    for (const row of all) console.log(JSON.stringify({ type: 'binary', ...row }));
    return 0;
  }
  for (const line of table(all.map(({ name, version, path }) => [name, version, path]))) console.log(line);
  return 0;
}

/** What no bundle has, before it is unpacked. @throws Failure `install` with the command that installs it on this machine */
async function installUnpublished(
  { output }: InstallOptions,
  { binDirs }: NodeConfig,
  signal: AbortSignal,
): Promise<void> {
  const { unpublished: binaries } = assetsOf(nodeBinaries, defaultRelease, releaseArch());
  await withProgress(output, signal, async (onProgress) =>
    installBinaries({ binDirs, cacheDir: cacheDir(), source: 'release', binaries, onProgress, signal }),
  );
}

/** The row of CoreDNS if it would serve DNS. */
async function coreDnsRow({ dns }: NodeConfig, { versions, searchPath }: Binaries) {
  const minor = minorOf(versions['kube-apiserver']);
  const versionCache = join(cacheDir(), 'versions.json');
  const { server } = await chooseDnsServer(dns, { searchPath, minor, versionCache });
  if (server.kind !== 'coredns') return [];
  const version = await versionOf(coreDnsBinary, server.program);
  return [{ name: coreDnsBinary.name, version, path: server.program }];
}

/** `install --bundle`: writes the official releases of one version to a file. */
async function bundle(
  file: string,
  { output, arch, image: images = [], ...options }: InstallOptions,
  signal: AbortSignal,
): Promise<number> {
  const { node } = await loadNodeConfig(options);
  const repository = remoteRepository(publisherClient(node.mirror));
  const request = node.kubernetes === false ? undefined : node.kubernetes;
  await withProgress(output, signal, async (onProgress) => {
    const kubernetes = await resolveRelease(request, repository, signal);
    const target = { kubernetes, arch: releaseArch(arch), images };
    await writeBundle(file, { ...target, repository, onProgress, signal });
  });
  console.log(file);
  return 0;
}

/** `install --list`: prints what is in the cache, how big it is, and which nodes use it. */
async function listCache(): Promise<number> {
  const entries = await cacheEntries(cacheDir(), await nodesOfThisMachine());
  const rows = entries.map(({ name, bytes, usedBy }) => [name, formatBytes(bytes), usedBy.join(', ')]);
  const total = ['in all', formatBytes(sum(entries)), ''];
  for (const line of table([...rows, total], { columns: [{}, { align: 'right' }] })) console.log(line);
  return 0;
}

/** `install --prune`: removes what no node uses, and prints it. */
async function prune(): Promise<number> {
  const removed = await pruneCache(cacheDir(), await nodesOfThisMachine());
  for (const { name, bytes } of removed) console.log(`removed ${name}, ${formatBytes(bytes)}`);
  console.error(`${formatBytes(sum(removed))} freed`);
  return 0;
}

function sum(entries: readonly CacheEntry[]): number {
  return entries.reduce((bytes, entry) => bytes + entry.bytes, 0);
}

/**
 * The nodes that run, those whose data is in the usual folder, and those that have used this cache, wherever their data is. With
 * the versions of their last run, and those that last ran on the data: after an upgrade that failed, these are needed again.
 */
async function nodesOfThisMachine(): Promise<NodeVersions[]> {
  const { run, data } = nodePaths('any');
  const [running = [], stopped = []] = await Promise.all(
    [run, data].map(async (folder) => readdir(dirname(folder)).catch(() => [])),
  );
  const uses = await usesOf(
    cacheDir(),
    async ({ name, dataDir }) => running.includes(name) || existsSync(join(dataDir, 'boot.json')),
  );
  const named = await Promise.all(
    [...new Set([...running, ...stopped])].map(async (name) => {
      const { dataDir } = await readNodeFile(name).catch(() => ({ dataDir: nodePaths(name).data }));
      const record = await readBootRecord(dataDir).catch(() => undefined);
      return record === undefined ? [] : [{ name, dataDir, versions: record.versions }];
    }),
  );
  const nodes = [...named.flat(), ...uses];
  const owned = nodes.flatMap(({ name, dataDir }) => {
    const kubernetes = recordedKubernetes(dataDir);
    return kubernetes === undefined ? [] : [{ name, versions: { 'kube-apiserver': kubernetes } }];
  });
  return [...nodes, ...owned].toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
}
