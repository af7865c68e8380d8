import type { ClusterNode } from '../../config/clusterFile.ts';
import { inContainer } from '../../host/preflight.ts';
import { reportDeadNodes } from '../../instance/deadNodes.ts';
import { stateOf } from '../../instance/lifeState.ts';
import { LaunchedNodes, titleOf } from '../../launcher/launchedNodes.ts';
import type { Member } from '../../launcher/launchedNodes.ts';
import { openSupervisorLog } from '../../launcher/supervisorLog.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { exitCodes, Failure } from '../../lib/errors.ts';
import { Interrupted, signalExitCode } from '../../lib/signals.ts';
import { formatMs } from '../../lib/text/text.ts';
import type { UpOptions } from '../../supervisor/options.ts';

/**
 * `k8s-single up --config FILE` with several nodes: control planes, then their workers. A node that is up already is left alone. Without
 * `--detach` all that were started here end with this process. Resolves with the exit code: 0 when every node became ready, and ended well.
 */
export async function upCluster(nodes: readonly ClusterNode[], options: UpOptions): Promise<number> {
  assertFits(options);
  const startedAt = performance.now();
  await using launched = new LaunchedNodes();
  try {
    for (const { name } of nodes) await reportDeadNodes(name);
    const missing = await nodesThatAreDown(nodes);
    const codes: number[] = [];
    for (const workers of [false, true]) {
      const group = missing.filter(({ join }) => (join !== undefined) === workers);
      codes.push(...(await bringUp(group, nodes, options, launched)));
      if (codes.some((code) => code !== exitCodes.ok)) break;
    }
    const code = codes.find((each) => each !== exitCodes.ok) ?? exitCodes.ok;
    if (code === exitCodes.ok) printReady(nodes, performance.now() - startedAt);
    if (options.detach === true) return code;
    if (code !== exitCodes.ok) stopAll(launched.members);
    return Math.max(code, ...(await Promise.all(launched.members.map(async (each) => untilEnd(each)))));
  } catch (error) {
    // What runs already has got the same signal, or is of no use alone.
    stopAll(launched.members);
    await Promise.allSettled(launched.members.map(async ({ supervisor }) => supervisor.exitCode));
    if (error instanceof Interrupted) return signalExitCode(error.signal);
    throw error;
  }
}

/** @throws Failure `usage` for options that say something of one node */
function assertFits(options: UpOptions): void {
  const { name, dataDir, listen, publish, host, joinable, join, token, forwardLogs, output } = options;
  const ofOne = {
    '--data-dir': dataDir,
    '--listen': listen,
    '--publish': publish,
    '--host': host,
    '--joinable': joinable,
    '--join': join,
    '--token': token,
    '--forward-logs': forwardLogs,
    '--output json': output === 'json' ? output : undefined,
    // K8S_SINGLE_NAME does not choose a node here.
    '--name': process.argv.includes('--name') ? name : undefined,
  };
  const flag = Object.entries(ofOne).find(([, value]) => value !== undefined)?.[0];
  if (flag !== undefined)
    throw new Failure('usage', `${flag} is for one node, and ${options.config} describes several`, {
      hint: 'leave it out; what a node needs can be in a config of its own: "config" in the file',
    });
  if (inContainer() !== undefined)
    throw new Failure('preflight', 'in a container there is one node: it has no namespaces of its own', {
      hint: 'start a container for each node, and join them: see "k8s-single token create"',
    });
}

async function nodesThatAreDown(nodes: readonly ClusterNode[]): Promise<ClusterNode[]> {
  const states = await Promise.all(nodes.map(async ({ name }) => stateOf(name)));
  return nodes.filter(({ name }, index) => {
    if (states[index] !== 'running') return true;
    console.error(`node ${name} is up already`);
    return false;
  });
}

/** Starts nodes at the same time, and shows them one after the other. Resolves with their exit codes. */
async function bringUp(
  group: readonly ClusterNode[],
  all: readonly ClusterNode[],
  options: UpOptions,
  launched: LaunchedNodes,
): Promise<number[]> {
  const starts = group.map(async ({ name, join, config }) => {
    const isJoined = all.some((other) => other.join === name);
    const { config: _, name: __, ...common } = options;
    const own: UpOptions = {
      ...common,
      name,
      ...(config !== undefined && { config }),
      ...(join !== undefined && { join }),
      ...(isJoined && { joinable: true }),
    };
    return launched.launch(own, { openLog: openSupervisorLog });
  });
  // All of them, so that none is still starting when the reason of one is thrown.
  const results = await Promise.allSettled(starts);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const codes: number[] = [];
  for (const result of results) {
    if (result.status !== 'fulfilled') continue;
    console.error(titleOf(result.value));
    codes.push(await result.value.ready({ detach: options.detach === true }));
  }
  return codes;
}

function printReady(nodes: readonly ClusterNode[], ms: number): void {
  const [{ name } = { name: '' }] = nodes;
  const count = nodes.length === 1 ? '1 node is' : `${nodes.length} nodes are`;
  console.error(`${count} ready after ${formatMs(ms)}: ${nodeCommand('status', { name })}`);
}

function stopAll(members: readonly Member[]): void {
  for (const { supervisor } of members) supervisor.stop();
}

/** Resolves with the exit code of a node that was ready, and says why if that is a failure. */
async function untilEnd({ name, supervisor, log }: Member): Promise<number> {
  const code = await supervisor.exitCode;
  console.error(code === exitCodes.ok ? `node ${name} is down` : `${await log()}\nnode ${name} has failed`);
  return code;
}
