import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { watch } from '../../probes/watch.ts';
import type { RunningGraph } from '../engine/startGraph.ts';
import type { Renewal } from '../kubernetes/components/certificates.ts';
import { reasonOf } from '../lib/errors.ts';
import type { State } from '../observe/state/state.ts';

/** How often it looks, in ms. It takes 2 ms. A certificate is renewed when a fifth of its life is left: usually ten weeks. */
const periodMs = 30_000;

/** How long a component may take to be ready before the next one is restarted, in ms. */
const readyWithinMs = 120_000;

interface RenewedNode {
  readonly graph: Pick<RunningGraph, 'restart'>;
  readonly state: () => State;
  /** The names of the components: dependencies before dependents. */
  readonly order: readonly string[];
  readonly print: (line: string) => void;
}

/**
 * Renews the certificates of a running node well before they end, and restarts the components that use them: in the order of the graph,
 * one at a time, each when the one before is ready. Resolves when the signal aborts, and never rejects.
 */
export async function keepRenewed(renewal: Renewal, node: RenewedNode, signal: AbortSignal): Promise<void> {
  /** The components that may still use the old ones. */
  const pending = new Set<string>();
  let renewedAt = 0;
  let lastFailure = '';
  const nothingDue = async (): Promise<void> => {
    const due = renewal.due();
    if (due.length > 0 || pending.size > 0) throw new Unhealthy(due.join(', '));
  };
  while (!signal.aborted) {
    try {
      const due = await watch(nothingDue, { periodMs, failureThreshold: 1 }, signal);
      if (due !== '') {
        for (const name of await renewal.renew(signal)) pending.add(name);
        renewedAt = Date.now();
        node.print(`certificates renewed: ${due}`);
      }
      for (const name of node.order) if (pending.has(name)) await restartOnce(name, node, renewedAt, signal);
      pending.clear();
      lastFailure = '';
    } catch (error) {
      // It tries again: the status names the certificates meanwhile.
      const failure = reasonOf(error);
      if (!signal.aborted && failure !== lastFailure) node.print(`certificates: ${failure}`);
      lastFailure = failure;
    }
  }
}

/** Restarts a component unless it has started since then, as the API server does after a restart of etcd. */
async function restartOnce(
  name: string,
  { graph, state }: RenewedNode,
  since: number,
  signal: AbortSignal,
): Promise<void> {
  const find = () => state().get(name);
  // The next start, if there is one, reads the new ones.
  if (['stopped', 'stopping', 'failed'].includes(find()?.phase ?? 'failed')) return;
  const isReady = async (): Promise<void> => {
    if (find()?.phase !== 'ready') throw new Unhealthy(`${name} is ${find()?.phase}`);
  };
  await until(isReady, { timeoutMs: readyWithinMs }, signal);
  const { since: readyAt = 0, readyMs = 0 } = find() ?? {};
  if (readyAt - readyMs >= since) return;
  await graph.restart(name);
  await until(isReady, { timeoutMs: readyWithinMs }, signal);
}
