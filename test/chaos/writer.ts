import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { Unhealthy } from '../../probes/probe.ts';
import { listAt, parseJson, textAt } from '../../probes/transport/json.ts';
import { until } from '../../probes/until.ts';
import { readNodeFile } from '../../src/instance/nodeFile.ts';
import { pkiPaths } from '../../src/kubernetes/pki/paths.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { pause } from './random.ts';

/** Between two objects, in ms. */
const pauseMs = 50;

/** An object whose answer takes longer is not acknowledged. In ms. */
const timeoutMs = 3000;

const path = '/api/v1/namespaces/default/configmaps';

/** Objects of one batch; they are deleted together. */
const batchSize = 500;

/** So many batches, at least, are compared again after the next fault. */
const keptBatches = 2;

/** Deleting a batch takes the API server longer than creating an object. In ms. */
const deletionTimeoutMs = 30_000;

/** Creates objects without a pause and remembers which of them the API server has acknowledged. */
export class Writer {
  /** The acknowledged objects that are compared, by batch. */
  readonly #kept = new Map<number, string[]>();
  /** Batches that have been compared often enough, and are in the way of etcd's quota. */
  readonly #deleted = new Set<number>();
  /** How many objects the API server has acknowledged. */
  acknowledged = 0;
  #last = 0;
  readonly #name: string;
  readonly #dataDir: string;
  readonly #prefix: string;
  #count = 0;
  #stopped: Promise<void> | undefined;
  #isRunning = true;

  /** @param prefix of the names of the objects, different in each run */
  constructor(name: string, dataDir: string, prefix: string) {
    this.#name = name;
    this.#dataDir = dataDir;
    this.#prefix = prefix;
  }

  start(): void {
    this.#stopped = this.#write();
  }

  /** Ends before the node does: its address has no route of its own then. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#stopped;
  }

  /** The acknowledged objects that the API server no longer has. Old ones that it has are deleted then. */
  async lost(): Promise<string[]> {
    // What is acknowledged meanwhile need not be in the list.
    const acknowledged = [...this.#kept.values()].flat();
    const found = new Set(
      listAt(parseJson(await this.#request('GET', path)), 'items').map((item) =>
        textAt(item, 'metadata', 'name'),
      ),
    );
    // The next call tries again.
    await this.#deleteOld().catch(() => undefined);
    return acknowledged.filter((name) => !found.has(name));
  }

  async #deleteOld(): Promise<void> {
    const old = [...this.#kept.keys()].slice(0, -keptBatches - 1);
    for (const batch of old) {
      // Before the deletion, of which nobody knows whether it succeeded when it is not answered.
      this.#kept.delete(batch);
      this.#deleted.add(batch);
    }
    for (const batch of this.#deleted) {
      const selector = `labelSelector=batch%3D${batch}`;
      await this.#request('DELETE', `${path}?${selector}`, undefined, deletionTimeoutMs);
      this.#deleted.delete(batch);
    }
  }

  /** Resolves when an object has been acknowledged that was sent after this call. @throws DeadlineExceeded */
  async nextAcknowledged(deadlineMs: number): Promise<void> {
    const from = this.#count;
    const isAcknowledged = async (): Promise<void> => {
      if (this.#last <= from) throw new Unhealthy('no object was acknowledged');
    };
    await until(isAcknowledged, { timeoutMs: deadlineMs }, new AbortController().signal);
  }

  async #write(): Promise<void> {
    while (this.#isRunning) {
      const number = ++this.#count;
      const name = `${this.#prefix}-${number}`;
      const batch = Math.floor(number / batchSize);
      const body = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, labels: { batch: String(batch) } },
        data: { n: String(number) },
      };
      // No answer: nobody knows whether it was stored.
      const answer = await this.#request('POST', path, JSON.stringify(body)).catch(() => undefined);
      if (answer !== undefined) this.#acknowledge(number, batch, name);
      await pause(pauseMs);
    }
  }

  #acknowledge(number: number, batch: number, name: string): void {
    this.acknowledged++;
    this.#last = number;
    const names = this.#kept.get(batch) ?? [];
    names.push(name);
    this.#kept.set(batch, names);
  }

  /** Rejects unless it succeeds. Bound to the host's side of the node's network: no packet leaves the machine when that is gone. */
  async #request(method: string, target: string, body?: string, timeout = timeoutMs): Promise<string> {
    const { ip } = await readNodeFile(this.#name);
    const localAddress = hostSideOf(ip);
    const { ca, admin } = pkiPaths(nodePaths(this.#name, this.#dataDir).pki);
    const [caPem, cert, key] = await Promise.all(
      [ca.cert, admin.cert, admin.key].map((file) => readFile(file)),
    );
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: ip,
          port: 6443,
          localAddress,
          method,
          path: target,
          agent: false,
          ca: caPem!,
          cert: cert!,
          key: key!,
          timeout,
          headers: { 'content-type': 'application/json' },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if (response.statusCode !== undefined && response.statusCode < 300) resolve(text);
            else reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200)}`));
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeout} ms`)));
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

/** The address of this machine in the subnet of a node, a /30. @throws Error when the node's network is gone */
function hostSideOf(ip: string): string {
  const number = (address: string): number =>
    address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ address, family }) => family === 'IPv4' && number(address) >> 2 === number(ip) >> 2);
  if (own === undefined) throw new Error(`no interface in the network of ${ip}`);
  return own.address;
}
