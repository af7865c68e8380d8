import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Unhealthy } from '../probes/probe.ts';
import type { Probe } from '../probes/probe.ts';
import { at, listAt, parseJson, textAt } from '../probes/transport/json.ts';
import { DeadlineExceeded, until } from '../probes/until.ts';
import type { NodeConfig } from '../src/config/schema/node.ts';
import { pauseImageOf } from '../src/kubernetes/images/pauseImage.ts';
import { pkiPaths } from '../src/kubernetes/pki/paths.ts';
import { paths } from './node.ts';

/** When each milestone of a boot was reached, in ms since the start; Infinity if it was not. */
export interface BootTimes {
  /** `/readyz` of the API server answers 200. */
  readonly apiserver: number;
  /** The Node is Ready, with a heartbeat of this boot. */
  readonly node: number;
  /** The API server accepted the first pod, which takes the default ServiceAccount. */
  readonly account: number;
  /** The first pod is Ready. */
  readonly pod: number;
}

const timeoutMs = 120_000;

/**
 * Observes the boot of a node from outside. `startedAt`: ms since the epoch. `pod`: the name of the pod that it creates.
 * Milestones that are not reached within two minutes stay Infinity.
 */
export async function observeBoot(
  { startedAt, config, pod }: { startedAt: number; config: NodeConfig; pod: string },
  signal: AbortSignal,
): Promise<BootTimes> {
  const times = { apiserver: Infinity, node: Infinity, account: Infinity, pod: Infinity };
  try {
    const host = await nodeAddress(timeoutMs, signal);
    const client = await adminClient({ host, port: config.network.apiserverPort }, timeoutMs, signal);
    const reached = async (milestone: keyof BootTimes, probe: Probe): Promise<void> => {
      await poll(probe, timeoutMs, signal);
      times[milestone] = Date.now() - startedAt;
    };
    const pods = '/api/v1/namespaces/default/pods';
    await Promise.all([
      reached('apiserver', async (attempt) => void (await get(client, '/readyz', attempt))),
      reached(
        'node',
        nodeReady(client, config.nodeName, (heartbeat) => heartbeat >= startedAt),
      ),
      reached('account', created(client, pods, podManifest(pod, pauseImageOf(config)))).then(async () =>
        reached('pod', async (attempt) => void readyCondition(await get(client, `${pods}/${pod}`, attempt))),
      ),
    ]);
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
  }
  return times;
}

/** Passes when the node is Ready and `isRecent` is true for its last heartbeat, in ms since the epoch. */
export function nodeReady(client: ApiClient, node: string, isRecent: (heartbeat: number) => boolean): Probe {
  return async (attempt) => {
    if (!isRecent(await readyHeartbeat(client, node, attempt))) throw new Unhealthy('no new heartbeat');
  };
}

/** The kubelet's last heartbeat, in ms since the epoch, to the second. @throws Unhealthy unless the node is Ready. */
export async function readyHeartbeat(client: ApiClient, node: string, signal: AbortSignal): Promise<number> {
  const ready = readyCondition(await get(client, `/api/v1/nodes/${node}`, signal));
  return Date.parse(textAt(ready, 'lastHeartbeatTime'));
}

/** Creates the object. Passes only once: the API server refuses an object whose name exists. */
function created(client: ApiClient, path: string, object: object): Probe {
  return async (attempt) => {
    const { status, body } = await client(path, attempt, object);
    if (status !== 201) throw new Unhealthy(body);
  };
}

async function get(client: ApiClient, path: string, signal: AbortSignal): Promise<unknown> {
  const { status, body } = await client(path, signal);
  if (status !== 200) throw new Unhealthy(body);
  return parseJson(body);
}

/** The object's condition of type Ready. @throws Unhealthy unless it is True. */
function readyCondition(object: unknown): unknown {
  const ready = listAt(object, 'status', 'conditions').find((condition) => at(condition, 'type') === 'Ready');
  if (textAt(ready, 'status') !== 'True') throw new Unhealthy('not Ready');
  return ready;
}

/** A pod of the pause image, which the node has anyway: nothing is pulled or imported for it. */
function podManifest(name: string, image: string): object {
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

/** Waits for the probe, with the same timing for every competitor: an attempt every 20 ms. */
async function poll(probe: Probe, deadlineMs: number, signal: AbortSignal): Promise<void> {
  const timing = { timeoutMs: deadlineMs, periodMs: 20, maxPeriodMs: 20, attemptTimeoutMs: 5000 };
  await until(probe, timing, signal);
}

interface Response {
  readonly status: number;
  readonly body: string;
}

/** Sends a GET, or a POST if there is a body, to the API server as administrator, over one keep-alive connection. */
export type ApiClient = (path: string, signal: AbortSignal, body?: object) => Promise<Response>;

/** A client of the API server at this address. Waits for the node's certificates. @throws DeadlineExceeded */
export async function adminClient(
  { host, port }: { host: string; port: number },
  deadlineMs: number,
  signal: AbortSignal,
): Promise<ApiClient> {
  const { ca, admin } = pkiPaths(paths.pki);
  const certificatesExist: Probe = async () => {
    if (![ca.cert, admin.cert, admin.key].every((file) => existsSync(file)))
      throw new Unhealthy('no certificates yet');
  };
  await poll(certificatesExist, deadlineMs, signal);
  const agent = new Agent({
    keepAlive: true,
    ca: await readFile(ca.cert),
    cert: await readFile(admin.cert),
    key: await readFile(admin.key),
  });
  return async (path, cancel, body) =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          agent,
          host,
          port,
          path,
          signal: cancel,
          method: body === undefined ? 'GET' : 'POST',
          headers: { accept: 'application/json', 'content-type': 'application/json' },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          response.on('error', reject);
        },
      );
      sent.on('error', (error) => reject(new Unhealthy(error.message)));
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

/**
 * The node's address. Waits until the host's end of the veth pair has one: before that, packets to the node would take the
 * default route. @throws DeadlineExceeded
 */
export async function nodeAddress(deadlineMs: number, signal: AbortSignal): Promise<string> {
  let address = '';
  const hasAddress: Probe = async () => {
    const name = await readFile(join(paths.run, 'interface'), 'utf8').catch(() => '');
    const own = networkInterfaces()[name]?.find(({ family }) => family === 'IPv4');
    if (own === undefined) throw new Unhealthy('the node has no address yet');
    address = own.address.replace(/\.1$/, '.2');
  };
  await poll(hasAddress, deadlineMs, signal);
  return address;
}
