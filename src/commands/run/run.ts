import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { nodeCommand, shellQuote } from '../../lib/commandLine.ts';
import type { Config } from '../../config/config.ts';
import { exitCodes, Failure } from '../../lib/errors.ts';
import { killNodeCgroup } from '../../host/cgroup/nodeCgroup.ts';
import type { InTheMaking } from '../../sandbox/sandbox.ts';
import { assertRoot } from '../../host/preflight.ts';
import { onSignals } from '../../lib/signals.ts';
import type { Signals } from '../../lib/signals.ts';
import { undoMkdir } from '../../host/undoMkdir.ts';
import { nodePaths } from '../../lib/paths.ts';
import type { Paths } from '../../lib/paths.ts';
import { formatMs } from '../../lib/text/text.ts';
import { keepArtifacts } from '../../observe/records/artifacts.ts';
import { signalExitCode, runCommand } from './runCommand.ts';
import { failureFile } from '../../observe/records/failureFile.ts';
import { followBoot, supervisorLog } from '../../launcher/followBoot.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { UpOptions } from '../../supervisor/options.ts';
import type { Plan } from '../../supervisor/bootSpec.ts';
import { beginThrowAway, makeThrowAway, tellThrowAway, ephemeralData } from '../../launcher/ephemeral.ts';

interface RunOptions extends Omit<UpOptions, 'output' | 'detach' | 'host' | 'dataDir' | 'ephemeral'> {
  readonly keepOnFailure?: boolean;
}

type Argv = readonly [string, ...string[]];

/**
 * `k8s-single run -- COMMAND`: a fresh node, the command, the node gone. Resolves with the command's exit code, or with
 * the node's own where that is why the command did not run to its end.
 */
export async function run(
  command: Argv,
  { keepOnFailure = false, artifacts, ...given }: RunOptions,
): Promise<number> {
  const name = given.name ?? `run-${randomBytes(3).toString('hex')}`;
  const options: UpOptions = {
    ...given,
    ...(artifacts === undefined ? {} : { artifacts: resolve(artifacts, name) }),
    name,
    dataDir: ephemeralData(name),
    ephemeral: true,
    output: 'auto',
  };
  assertRoot();
  const signals = onSignals();
  const without = `use a node on the host itself: ${nodeCommand('up', { name: given.name ?? 'default' }, '--host')}`;
  const begin = async (listen?: string) => beginThrowAway({ name, listen, signals, without });
  // Without a config its process can start while the rest is found out.
  const unmake = options.artifacts === undefined ? undefined : undoMkdir(options.artifacts);
  let node = given.config === undefined ? await begin() : undefined;
  try {
    const config = await loadNodeConfig(options);
    if (config.node.kubernetes === false) throw needsNode(config, given.name);
    node ??= await begin(config.node.listen);
    await node.begun.entered;
    const { making, binaries } = await makeThrowAway(node.begun, options, config.node);
    const { log } = node;
    return await onNode(command, { making, log }, { options, config, binaries, keepOnFailure, signals });
  } finally {
    await node?.begun.leave();
    // When there was nothing to keep.
    unmake?.();
    await node?.log.close();
    signals.close();
  }
}

function needsNode({ node, file }: Config, name = node.name): Failure {
  return new Failure('usage', 'the config is of a graph without Kubernetes: run needs a node', {
    hint: nodeCommand('up', { name }, ...(file === undefined ? [] : ['--config', file])),
  });
}

interface Circumstances extends Plan {
  readonly keepOnFailure: boolean;
  readonly signals: Signals;
}

async function onNode(
  command: Argv,
  { making, log }: { readonly making: InTheMaking; readonly log: FileHandle },
  { keepOnFailure, signals, ...plan }: Circumstances,
): Promise<number> {
  const { options, config, binaries } = plan;
  const { node } = config;
  const { name } = node;
  const paths = nodePaths(name, node.dataDir);
  const entered = await tellThrowAway(making, plan);
  const gone = new AbortController();
  const exited = entered.exited.finally(() => gone.abort());
  exited.catch(() => undefined);
  const isReady = await followBoot(entered, options, node);
  const asked = signals.first();
  if (!isReady || asked !== undefined) {
    const code = await exited;
    console.error(await lastWords(log, paths, options.artifacts));
    if (asked !== undefined) return signalExitCode(asked);
    if (code === exitCodes.ok) console.error(`node ${name} was taken down before it was ready`);
    return code || exitCodes.notReady;
  }
  const readyMs = performance.now();
  const path = [dirname(binaries.files.kubectl), process.env['PATH']].filter(Boolean).join(delimiter);
  const env = { KUBECONFIG: join(paths.kubeconfigs, 'admin.conf'), K8S_SINGLE_NAME: name, PATH: path };
  const code = await runCommand(command, { env, signals, signal: gone.signal });
  const commandMs = performance.now();
  if (gone.signal.aborted) {
    const nodeCode = await exited;
    console.error(await lastWords(log, paths, options.artifacts));
    console.error(`node ${name} has gone before the command was done`);
    return nodeCode || exitCodes.notReady;
  }
  if (code !== 0 && options.artifacts !== undefined) {
    await keepArtifacts(paths, options.artifacts);
    console.error(`the logs are kept in ${options.artifacts}`);
  }
  if (code !== 0 && keepOnFailure) {
    await entered.detach();
    console.error(`node ${name} is kept: ${nodeCommand('kubectl', node, '--', 'get', 'pods', '-A')}`);
    console.error(`remove it with: ${nodeCommand('down', { name }, '--purge')}`);
    return code;
  }
  // Not in order, which takes seconds: nothing of it is kept.
  await killNodeCgroup(name);
  await exited;
  const said = await supervisorLog(log);
  if (said.includes('left something behind')) console.error(said);
  const goneMs = performance.now();
  console.error(
    `node ${name}: ready after ${formatMs(readyMs)}, the command took ${formatMs(commandMs - readyMs)} ` +
      `(exit code ${code}), gone after ${formatMs(goneMs - commandMs)}: ${formatMs(goneMs)} in all`,
  );
  return code;
}

/** What the node has said; it knows only where things were while it lived. */
async function lastWords(
  log: FileHandle,
  { data, logs }: Paths,
  artifacts: string | undefined,
): Promise<string> {
  const said = await supervisorLog(log);
  if (artifacts !== undefined) {
    const kept = [failureFile(data), logs];
    return kept
      .reduce((text, path) => text.replaceAll(path, join(artifacts, basename(path))), said)
      .replaceAll(`--data-dir ${shellQuote(data)}`, `--data-dir ${shellQuote(artifacts)}`);
  }
  return said.includes(data)
    ? `${said}\nall of it has gone with the node: keep it with --artifacts DIR`
    : said;
}
