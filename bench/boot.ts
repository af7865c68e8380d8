import { listAt, at, parseJson, textAt } from '../probes/transport/json.ts';
import { Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { DeadlineExceeded } from '../probes/until.ts';
import type { NodeConfig } from '../src/config/schema/node.ts';
import { pauseImageOf } from '../src/kubernetes/images/pauseImage.ts';
import { administrator, nodeAddress, observe } from './look.ts';
import type { Ask } from './look.ts';

/** When it was so, in ms since the start; Infinity for what never was. */
export interface Boot {
  readonly apiserver: number;
  readonly node: number;
  /** The default ServiceAccount can be used: the first pod was taken. */
  readonly account: number;
  readonly pod: number;
}

const timeoutMs = 120_000;

/**
 * Watches a node come up from outside: the API server is ready, the Node is Ready and has said so since the start, a pod is
 * taken, and is Ready. `startedAt`: ms since the epoch. `pod`: the name of the pod.
 */
export async function watchBoot(
  { startedAt, config, pod }: { startedAt: number; config: NodeConfig; pod: string },
  signal: AbortSignal,
): Promise<Boot> {
  const boot = { apiserver: Infinity, node: Infinity, account: Infinity, pod: Infinity };
  try {
    const host = await nodeAddress(timeoutMs, signal);
    const ask = await administrator({ host, port: config.network.apiserverPort }, timeoutMs, signal);
    const seen = async (what: keyof Boot, probe: Probe): Promise<void> => {
      await observe(probe, timeoutMs, signal);
      boot[what] = Date.now() - startedAt;
    };
    const pods = '/api/v1/namespaces/default/pods';
    await Promise.all([
      seen('apiserver', async (look) => void (await answered(ask, '/readyz', look))),
      seen(
        'node',
        nodeReady(ask, config.nodeName, (saidAt) => saidAt >= startedAt),
      ),
      seen('account', posted(ask, pods, podOf(pod, pauseImageOf(config)))).then(async () =>
        seen('pod', async (look) => void isReady(await answered(ask, `${pods}/${pod}`, look))),
      ),
    ]);
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
  }
  return boot;
}

/** Ready, and it is news: `isNews` is asked about the time at which the kubelet said so, in ms since the epoch. */
export function nodeReady(ask: Ask, node: string, isNews: (saidAt: number) => boolean): Probe {
  return async (look) => {
    if (!isNews(await saidReadyAt(ask, node, look))) throw new Unhealthy('it said so before');
  };
}

/** When the kubelet said that the node is Ready, to the second; rejects while it is not. */
export async function saidReadyAt(ask: Ask, node: string, look: AbortSignal): Promise<number> {
  const ready = isReady(await answered(ask, `/api/v1/nodes/${node}`, look));
  return Date.parse(textAt(ready, 'lastHeartbeatTime'));
}

/** Passes once; a pod that is there already is refused by its name, and that would never pass. */
function posted(ask: Ask, path: string, body: object): Probe {
  return async (look) => {
    const { status, body: said } = await ask(path, look, body);
    if (status !== 201) throw new Unhealthy(said);
  };
}

async function answered(ask: Ask, path: string, look: AbortSignal): Promise<unknown> {
  const { status, body } = await ask(path, look);
  if (status !== 200) throw new Unhealthy(body);
  return parseJson(body);
}

/** The condition of type Ready, which is True. */
function isReady(object: unknown): unknown {
  const ready = listAt(object, 'status', 'conditions').find((condition) => at(condition, 'type') === 'Ready');
  if (textAt(ready, 'status') !== 'True') throw new Unhealthy('not Ready');
  return ready;
}

/** One static program that sleeps, in the image that the node has anyway: nothing is pulled or imported for it. */
function podOf(name: string, image: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name, image, imagePullPolicy: 'Never' }],
    },
  };
}
