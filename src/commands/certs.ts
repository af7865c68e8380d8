import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { parseDuration } from '../config/schema/duration.ts';
import { assertRoot } from '../host/root.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import { wouldLoseWorkers } from '../kubernetes/components/certificates.ts';
import { hasExternalEtcd } from '../kubernetes/dataVersions.ts';
import { hasControlPlane } from '../kubernetes/join/membership.ts';
import { nextCaRotationStep, requestCaRotation } from '../kubernetes/pki/caRotation.ts';
import { pkiPaths } from '../kubernetes/pki/paths.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { formatMs } from '../lib/text/text.ts';
import { nodesOfCluster } from './status.ts';

interface RotateOptions {
  readonly name: string;
  readonly dataDir?: string;
  readonly timeout: string;
}

/**
 * `k8s-single certs rotate-ca`: new CAs, by which the running node replaces the old ones while both are trusted. Resolves when the old
 * ones are not trusted any more; a node that is down begins when it runs.
 * @throws Failure `preflight` when the node has no CAs, or others have the same; `notReady` when it takes longer than the timeout
 */
export async function rotateCa({ timeout, ...node }: RotateOptions): Promise<number> {
  assertRoot();
  const { pki, data } = await locateNode(node);
  if (!hasControlPlane({ pki }))
    throw new Failure('preflight', `node ${node.name} has no CAs: there is no ${pkiPaths(pki).ca.key}`, {
      hint: 'the first start of a control plane makes them; a worker has those of its control plane',
    });
  if (hasExternalEtcd(data))
    throw new Failure(
      'preflight',
      'the cluster is in an etcd of others, and its other nodes have these CAs, too',
      {
        hint: 'nothing has changed; the CAs of a node with an etcd of its own can be replaced',
      },
    );
  const running = await ifRunning(async () => readNodeFile(node.name));
  if (running?.joinAt !== undefined) {
    const cluster = await nodesOfCluster(node.name);
    if (cluster?.nodes === undefined)
      throw new Failure('notReady', 'the API server does not say whether the cluster has workers', {
        hint: `try it again when the node is ready: ${nodeCommand('status', node)}`,
      });
    if (cluster.nodes.length > 1) throw wouldLoseWorkers();
  }
  await requestCaRotation(pki);
  if (running === undefined) {
    console.error(`node ${node.name} is down: it replaces its CAs when it runs, unless it has workers then`);
    return exitCodes.ok;
  }
  const startedAt = performance.now();
  let awaited: string | undefined;
  const isComplete = async (): Promise<void> => {
    const next = await nextCaRotationStep(pki);
    if (awaited !== undefined && awaited !== next)
      console.error(`${formatMs(performance.now() - startedAt).padStart(8)}  ${awaited}`);
    awaited = next;
    if (next !== undefined) throw new Unhealthy(`not yet: ${next}`);
  };
  const timing = { timeoutMs: parseDuration(timeout), periodMs: 200, maxPeriodMs: 500 };
  await until(isComplete, timing, new AbortController().signal).catch((cause: unknown) => {
    throw new Failure(
      'notReady',
      `the CAs of node ${node.name} are not replaced within ${timeout}; not yet: ${awaited}`,
      {
        hint: `the node goes on with it; see why it takes so long: ${nodeCommand('logs', node, 'supervisor')}`,
        cause,
      },
    );
  });
  console.error(
    `give the new kubeconfig to whoever has the old one: ${nodeCommand('kubeconfig', node)}; and restart pods that read their CA once`,
  );
  return exitCodes.ok;
}
