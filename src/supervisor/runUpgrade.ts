import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { http } from '../../probes/kinds/http.ts';
import { nodeReady } from '../../probes/kinds/nodeReady.ts';
import { until } from '../../probes/until.ts';
import type { Component, Task } from '../engine/component.ts';
import { note } from '../host/checkResult.ts';
import { imageBinaries } from '../install/find/binaries.ts';
import { install } from '../install/install.ts';
import type { DataUpgrade } from '../kubernetes/dataUpgrade.ts';
import { startWith } from '../kubernetes/dataVersions.ts';
import type { NodeFacts } from '../kubernetes/facts.ts';
import { pauseImageOf } from '../kubernetes/images/pauseImage.ts';
import { adminAccess, etcdAccess } from '../kubernetes/kubeconfig/clients.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import type { Image, Result } from '../smoke/check.ts';
import { checks } from '../smoke/checks.ts';
import { pausePod } from '../smoke/checks/pausePod.ts';
import { importImage } from '../smoke/image.ts';
import { select } from '../smoke/select.ts';
import { smoke } from '../smoke/smoke.ts';
import { runGraph } from './runGraph.ts';
import type { GraphOptions } from './runGraph.ts';

/** The component that checks an upgrade. It has a log. */
const name = 'upgrade-check';

interface UpgradeOptions extends GraphOptions {
  readonly versions: Readonly<Record<string, string>>;
  readonly kubectl: string;
  readonly facts: NodeFacts;
}

/**
 * {@link runGraph} for data that is being upgraded: the node is ready only when the new version has passed the checks. When
 * it fails or is stopped before, etcd's data from before the upgrade is put back.
 * @throws Failure with the reason, and how to run the version that ran before
 */
export async function runUpgrade(
  upgrade: DataUpgrade,
  components: readonly Component[],
  options: UpgradeOptions,
): Promise<number> {
  const all = [...components, upgradeCheck(upgrade, components, options)];
  const begun = note(
    'upgrade',
    `${upgrade.description}: until it is checked, ${join(options.facts.paths.data, 'upgrade')} has a copy of etcd's data`,
    'wait until the node is ready',
  );
  let code: number;
  try {
    code = await runGraph(all, { ...options, checks: [...options.checks, begun], isUpgrade: true });
  } catch (error) {
    throw await undo(upgrade, options, error);
  }
  if (await upgrade.undo())
    console.error(`stopped before the upgrade was checked: the data is as before (${upgrade.description})`);
  return code;
}

/** Puts the data back if the upgrade is not complete. Resolves with the error to report. */
async function undo(upgrade: DataUpgrade, { config }: UpgradeOptions, error: unknown): Promise<unknown> {
  let isUndone: boolean;
  try {
    isUndone = await upgrade.undo();
  } catch (cause) {
    console.error(`the data is not put back yet: ${reasonOf(cause)}; the next up does it`);
    return error;
  }
  if (!isUndone || !(error instanceof Failure)) return error;
  const { 'kube-apiserver': kubernetes = '', etcd } = upgrade.from;
  const command = startWith(config.node, kubernetes);
  const again = `run what ran before (Kubernetes ${kubernetes}, etcd ${etcd}) again: ${command}, or --bin-dir`;
  return new Failure(
    error.code,
    `the upgrade of ${upgrade.description} failed, and the data is as before: ${error.message}`,
    { hint: [again, error.hint].filter(Boolean).join('; '), cause: error },
  );
}

/** The task that checks the new version by using it, and then completes the upgrade. */
function upgradeCheck(upgrade: DataUpgrade, components: readonly Component[], options: UpgradeOptions): Task {
  const { config, facts, versions } = options;
  const timeoutMs = config.node.timeouts.boot;
  const access = { ...adminAccess(facts), node: config.node.nodeName };
  // Not the milestone of the node: with onFailure keepOthers this would wait for ever after a failure.
  const needs = components.some((each) => each.name === 'apiserver') ? ['apiserver'] : [];
  return {
    kind: 'task',
    name,
    needs,
    timeoutMs,
    run: async (signal, onAttemptFailed) => {
      // Restarted with the API server: there is nothing to check any more.
      if (!upgrade.isBegun) return;
      await until(nodeReady(access), { timeoutMs, onAttemptFailed }, signal);
      await until(etcdUpgraded(facts, versions['etcd'] ?? ''), { timeoutMs, onAttemptFailed }, signal);
      await assertWorks(options, signal, onAttemptFailed);
      await upgrade.complete();
    },
  };
}

/**
 * Passes when etcd has raised the version of the cluster in its data, some seconds after the start: only then does it take
 * the next minor version (https://etcd.io/docs/latest/upgrades/).
 */
function etcdUpgraded(facts: NodeFacts, version: string) {
  const { url, ...tls } = etcdAccess(facts);
  const [minor] = /^\d+\.\d+/.exec(version) ?? [];
  return http(`${url}/version`, {
    ...tls,
    ...(minor !== undefined && { body: `"etcdcluster":"${minor}.` }),
  });
}

/**
 * Uses the node: the smoke test without what concerns only its network. Without a busybox on this machine, the pod is one
 * of the pause image, which is there always: nothing can be installed at this point.
 * @throws Failure `smoke` with the first check that failed
 */
async function assertWorks(
  { config, kubectl, facts }: UpgradeOptions,
  signal: AbortSignal,
  onAttemptFailed: (reason: string) => void,
): Promise<void> {
  const { node } = config;
  const { paths, programs } = facts;
  const run = randomBytes(4).toString('hex');
  const busybox = await findBusybox(facts);
  const own =
    busybox === undefined
      ? undefined
      : await importImage({ ctr: programs.ctr, busybox, socket: paths.containerdSocket, run }, signal);
  const image: Image = {
    name: own?.name ?? pauseImageOf(node),
    pull: own === undefined ? 'IfNotPresent' : 'Never',
  };
  const only =
    own === undefined
      ? ['node', 'service-account']
      : ['node', 'logs', node.features.kubeProxy ? 'service' : 'pod-ip'];
  const selected = select(checks, { only, skip: [] });
  const log = (line: string): void =>
    appendFileSync(join(paths.logs, `${name}.log`), `${new Date().toISOString()} ${line}\n`);
  const results = await smoke({
    run,
    checks: own === undefined ? [...selected, pausePod] : selected,
    kubeconfig: paths.kubeconfig,
    kubectl,
    image,
    timeoutMs: node.timeouts.boot,
    watcher: {
      started: (check) => onAttemptFailed(`check ${check}`),
      waiting: (check, reason) => onAttemptFailed(`check ${check}: ${reason}`),
      ended: (result) => linesOf(result).forEach(log),
    },
    signal,
    cleanupSignal: signal,
  });
  // A node that works is not given up for an image that stays.
  await own?.remove().catch((error: unknown) => log(reasonOf(error)));
  signal.throwIfAborted();
  const failed = results.find(({ outcome }) => outcome === 'failed');
  if (failed?.outcome !== 'failed') return;
  throw new Failure('smoke', `check ${failed.check}: ${failed.reason}`, {
    hint: `see what was checked: ${nodeCommand('logs', node, name)}`,
  });
}

async function findBusybox({ config, cacheDir }: NodeFacts): Promise<string | undefined> {
  const { binDirs } = config;
  return install({ binDirs, cacheDir, binaries: imageBinaries, noInstall: true }).then(
    ({ files }) => files.busybox,
    () => undefined,
  );
}

function linesOf(result: Result): string[] {
  const { check, outcome } = result;
  if (result.outcome !== 'failed') return [`check ${check}: ${outcome}`];
  return [`check ${check}: failed: ${result.reason}`, ...result.evidence];
}
