import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeConfig } from '../config/schema/node.ts';
import { client } from '../control/client.ts';
import { inContainer } from '../host/preflight.ts';
import { assertRoot } from '../host/root.ts';
import { nodeBinaries } from '../install/find/binaries.ts';
import { versionOf } from '../install/find/versions.ts';
import type { Binaries } from '../install/install.ts';
import { minorOf } from '../install/release/pairings.ts';
import { ifRunning } from '../instance/locateNode.ts';
import { recordedKubernetes, startWith } from '../kubernetes/dataVersions.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { nodePaths, programFile } from '../lib/paths.ts';
import { signalExitCode, Signals } from '../lib/signals.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { resolveBinaries } from '../supervisor/resolveBinaries.ts';
import { down } from './down.ts';
import { runCommand } from './run/runCommand.ts';

interface UpgradeOptions extends Pick<
  UpOptions,
  'config' | 'name' | 'dataDir' | 'binDir' | 'timeout' | 'install' | 'source' | 'mirror' | 'output'
> {
  /** The version to reach: 1.30, or 1.30.4. */
  readonly to: string;
}

/** One minor version on the way. */
interface Step {
  /** Of Kubernetes: 1.29.5. */
  readonly version: string;
  /** The folders given by the user that are for this version. */
  readonly binDirs: readonly string[];
}

/** The binaries of a version of Kubernetes, found or installed: 1.30, or 1.30.4. */
type BinariesOf = (version: string, binDirs: readonly string[]) => Promise<Pick<Binaries, 'versions'>>;

/**
 * `k8s-single upgrade --to 1.30`: upgrades the data of a node that is down, one minor version after the other: each is
 * booted, checked and stopped. Ends at the first that fails, with the data of the last good one.
 * @throws Failure `preflight` or `install` before anything starts
 */
export async function upgrade(options: UpgradeOptions): Promise<number> {
  assertRoot();
  const { node } = await loadNodeConfig(options);
  await assertUpgradable(node);
  const { data } = nodePaths(node.name, node.dataDir);
  const from = recordedKubernetes(data);
  const versions = versionsTo(options.to, from, node);
  if (versions.length === 0) {
    console.error(`the data of node ${node.name} is of Kubernetes ${from} already`);
    return exitCodes.ok;
  }
  using signals = new Signals();
  // All of them first: what is missing is known before anything has changed.
  const binariesOf: BinariesOf = async (kubernetes, binDirs) =>
    resolveBinaries(options, { ...node, kubernetes, binDirs: [...binDirs] }, signals.interrupted);
  const steps: Step[] = [];
  for (const version of versions) steps.push(await planStep(version, node.binDirs, binariesOf));
  for (const [index, step] of steps.entries()) {
    const count = steps.length === 1 ? '' : ` (${index + 1} of ${steps.length})`;
    console.error(`upgrade to Kubernetes ${step.version}${count}`);
    const code = await take(step, node, options, signals);
    if (signals.first !== undefined) return signalExitCode(signals.first);
    if (code !== exitCodes.ok) return reportStop(step, node, options.to, code);
  }
  console.error(`the data of node ${node.name} is of Kubernetes ${recordedKubernetes(data)} now`);
  console.error(`start it: ${startWith(node, options.to)}`);
  return exitCodes.ok;
}

/** @throws Failure when the node cannot be upgraded by this command, whatever its version */
async function assertUpgradable({ name, dataDir, kubernetes }: NodeConfig): Promise<void> {
  if (kubernetes === false)
    throw new Failure('usage', 'the config is of a graph without Kubernetes: there is nothing to upgrade');
  if (inContainer() !== undefined) {
    throw new Failure(
      'preflight',
      'a node in a container is upgraded by an image of the next minor version',
      {
        hint: 'run that image on the same volume: up upgrades the data',
      },
    );
  }
  const status = await ifRunning(async () => client(nodePaths(name, dataDir).controlSocket).status());
  if (status === undefined) return;
  throw new Failure('preflight', `node ${name} is running: an upgrade stops and starts it several times`, {
    hint: `stop it first: ${nodeCommand('down', { name })}`,
  });
}

/**
 * The versions from the one after `from` to `to`; the last one as it was given. Empty if the data has that minor version.
 * @throws Failure `usage` for what is no version, `preflight` when there is no way to it
 */
export function versionsTo(
  to: string,
  from: string | undefined,
  node: { name: string; dataDir?: string },
): string[] {
  const [, last = ''] = /^v?1\.(\d+)(?:\.\d+)?$/.exec(to) ?? [];
  if (last === '') {
    throw new Failure('usage', `--to ${to}: expected a version of Kubernetes like 1.30 or 1.30.4`);
  }
  const target = to.replace(/^v/, '');
  const [, minor = ''] = /^v?1\.(\d+)/.exec(from ?? '') ?? [];
  const { data } = nodePaths(node.name, node.dataDir);
  if (minor === '') {
    throw new Failure('preflight', `${data} has no data of which the version of Kubernetes is known`, {
      hint: `start it with any version: ${startWith(node, target)}`,
    });
  }
  const steps = Number(last) - Number(minor);
  if (steps < 0) {
    throw new Failure(
      'preflight',
      `the data in ${data} is of Kubernetes ${from}: an older version cannot read it`,
      {
        hint: `start it with that version: ${startWith(node, from ?? '')}; or anew: ${nodeCommand('down', node, '--purge')}`,
      },
    );
  }
  return Array.from({ length: steps }, (_, i) => (i + 1 === steps ? target : `1.${Number(minor) + i + 1}`));
}

/** @throws Failure `install` when there are no binaries of this version */
async function planStep(version: string, binDirs: readonly string[], binariesOf: BinariesOf): Promise<Step> {
  const ofVersion: string[] = [];
  for (const dir of binDirs) if (await isFor(version, dir)) ofVersion.push(dir);
  const binaries = await binariesOf(version, ofVersion).catch((cause: unknown) => {
    if (!(cause instanceof Failure)) throw cause;
    const folders = `give a folder with the binaries of each version: --bin-dir, several times`;
    throw new Failure(cause.code, `Kubernetes ${version}, on the way: ${cause.message}`, {
      hint: `${folders}; nothing was changed`,
      cause,
    });
  });
  return { version: binaries.versions['kube-apiserver'], binDirs: ofVersion };
}

/** Whether the folder has no kube-apiserver, or one of this minor version. */
async function isFor(version: string, dir: string): Promise<boolean> {
  const binary = nodeBinaries.find(({ name }) => name === 'kube-apiserver')!;
  const file = join(dir, binary.name);
  return !existsSync(file) || minorOf(await versionOf(binary, file)) === minorOf(version);
}

/** Boots the version, which upgrades and checks the data, and stops it. Resolves with the exit code of `up`. */
async function take(
  { version, binDirs }: Step,
  { name, dataDir }: NodeConfig,
  { config, timeout, install, source, mirror, output }: UpgradeOptions,
  signals: Signals,
): Promise<number> {
  const { data } = nodePaths(name, dataDir);
  const args = [
    '--detach',
    '--kubernetes',
    version,
    '--name',
    name,
    '--data-dir',
    data,
    ...(config === undefined ? [] : ['--config', config]),
    ...binDirs.flatMap((dir) => ['--bin-dir', dir]),
    ...(timeout === undefined ? [] : ['--timeout', timeout]),
    ...(install ? [] : ['--no-install']),
    ...(mirror === undefined ? [] : ['--mirror', mirror]),
    '--source',
    source,
    '--output',
    output,
  ];
  const code = await runCommand([process.execPath, programFile('main'), 'up', ...args], {
    // Its folders are among those of the step, if they are for it.
    env: { K8S_SINGLE_BIN_DIR: '' },
    signals,
    signal: new AbortController().signal,
  });
  // With onFailure keepOthers, a node that is not ready runs on. After any other exit code there is none, or not this one.
  if (code === exitCodes.ok || code === exitCodes.notReady) await down({ name, dataDir: data });
  return code;
}

function reportStop({ version }: Step, node: NodeConfig, to: string, code: number): number {
  const last = recordedKubernetes(nodePaths(node.name, node.dataDir).data) ?? '';
  console.error(`k8s-single: the upgrade stopped at Kubernetes ${version}: the data is of ${last}`);
  console.error(`  start it: ${startWith(node, last)}; go on: ${nodeCommand('upgrade', node, '--to', to)}`);
  return code;
}
