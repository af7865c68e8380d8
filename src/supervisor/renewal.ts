import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { watch } from '../../probes/watch.ts';
import type { Emit } from '../engine/component.ts';
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
  /** Calls the function for each event from now on. Returns the function that unsubscribes. */
  readonly subscribe: (emit: Emit) => () => void;
  /** The names of the components: dependencies before dependents. */
  readonly order: readonly string[];
  readonly print: (line: string) => void;
}

/**
 * Renews the certificates of a running node well before they end, and restarts the components that use others than there are now: in the
 * order of the graph, one at a time, each when the one before is ready or has not become so in time. So it goes on with a rotation of the
 * CAs, whose next step needs that all components use what the last one has made. Resolves when the signal aborts, and never rejects.
 */
export async function keepRenewed(renewal: Renewal, node: RenewedNode, signal: AbortSignal): Promise<void> {
  const { graph, state, subscribe, order, print } = node;
  /** The certificates with which the process of each component has started. */
  const used = new Map<string, string>();
  const started = (name: string): void => void used.set(name, renewal.signatureOf(name));
  for (const { name, pid } of state().values()) if (pid !== undefined) started(name);
  const unsubscribe = subscribe(({ type, component }) => {
    if (type === 'starting') started(component);
  });
  const said = new Set<string>();
  const complain = (error: unknown): void => {
    signal.throwIfAborted();
    const line = `certificates: ${reasonOf(error)}`;
    if (!said.has(line)) print(line);
    said.add(line);
  };

  async function restart(name: string): Promise<void> {
    await graph.restart(name);
    const isReady = async (): Promise<void> => {
      const phase = state().get(name)?.phase;
      if (phase !== 'ready') throw new Unhealthy(`${name} is ${phase}`);
    };
    await until(isReady, { timeoutMs: readyWithinMs }, signal);
  }

  async function look(): Promise<void> {
    const due = renewal.due();
    if (due.length > 0) {
      // What could be issued is used, even if it was not all.
      await renewal.renew(signal).catch(complain);
      const left = new Set(renewal.due());
      const renewed = due.filter((each) => !left.has(each));
      if (renewed.length > 0) print(`certificates renewed: ${renewed.join(', ')}`);
    }
    await restartOutdated();
    while (isCurrent()) {
      const step = await renewal.rotate(signal);
      if (step === undefined) break;
      print(`certificates: ${step}`);
      await restartOutdated();
    }
  }

  async function restartOutdated(): Promise<void> {
    for (const name of order) {
      // What is not running reads them when it starts.
      if (!isOutdated(name) || state().get(name)?.phase !== 'ready') continue;
      await restart(name).catch(complain);
    }
  }

  function isOutdated(name: string): boolean {
    const known = used.get(name);
    return known !== undefined && known !== renewal.signatureOf(name);
  }

  /** Whether no process has others than there are now. */
  function isCurrent(): boolean {
    return order.every((name) => state().get(name)?.pid === undefined || !isOutdated(name));
  }

  const endless = {
    periodMs,
    failureThreshold: Number.POSITIVE_INFINITY,
    attemptTimeoutMs: Number.POSITIVE_INFINITY,
  };
  await watch(async () => look().catch(complain), endless, signal).catch((error: unknown) => {
    if (!signal.aborted) print(`certificates are not renewed any more: ${reasonOf(error)}`);
  });
  unsubscribe();
}
