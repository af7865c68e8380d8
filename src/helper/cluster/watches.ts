import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { listAt, parseJson, textAt, at } from '../../../probes/transport/json.ts';
import { cannotReach, oneLine } from '../../../probes/transport/reason.ts';
import type { Tls } from '../../../probes/transport/httpClient.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Named } from './objects.ts';
import { Store } from './store.ts';

/** How to reach the API server: its URL, and paths of PEM files. */
export interface ApiAccess extends Required<Tls> {
  readonly server: string;
}

/** What to watch, in all namespaces. */
export interface Resource<Item extends Named> {
  /** Such as `/api/v1/services`. */
  readonly path: string;
  /** Keeps what is needed of an object. */
  readonly read: (object: unknown) => Item;
}

/** A request that changes an object. */
export interface Change {
  readonly method: 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  /** The media type of the body, if not JSON. */
  readonly type?: string;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly content?: string | undefined;
}

/** The API server ends a watch after this many seconds; the next one continues where it ended. */
const watchSeconds = 300;
/** A connection that is silent for longer is dead. */
const silenceMs = (watchSeconds + 30) * 1000;
/** A watch that ends sooner, without an event, is an error: the next one waits. */
const shortestMs = 1000;

/**
 * The watches of this process: one for each resource, whoever uses it. Reads a list, then follows its changes; after an
 * error, again with back-off. What was read stays in the store while the API server is away.
 *
 * Not by the Kubernetes client for JavaScript: it needs 26 MB for its models and authentication methods, and version 2 does
 * not load with Node.js 20.
 */
export class Watches {
  readonly #stores = new Map<string, Store<Named>>();
  readonly #api: ApiAccess;
  readonly #signal: AbortSignal;
  /** Why a resource, by its path, cannot be read. */
  readonly #failures = new Map<string, string>();
  #agent: Agent;

  /** `signal` ends all watches. */
  constructor(api: ApiAccess, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
    this.#agent = agentOf(api);
  }

  /** Why a resource cannot be read, the first of them; undefined if all were read and are followed. */
  get failure(): string | undefined {
    for (const [path, reason] of this.#failures) return `${path}: ${reason}`;
    for (const [path, { isSynced }] of this.#stores) if (!isSynced) return `${path} was not read yet`;
    return undefined;
  }

  /** The store of a resource. The first call starts the watch. */
  store<Item extends Named>(resource: Resource<Item>): Store<Item> {
    const known = this.#stores.get(resource.path);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a path has one type of items
    if (known !== undefined) return known as Store<Item>;
    const store = new Store<Item>();
    this.#stores.set(resource.path, store);
    void this.#follow(resource, store);
    return store;
  }

  /**
   * Changes an object.
   * @param accepted statuses that are no failure
   * @throws Unhealthy with the reason of the API server
   */
  async change({ method, path, body, type = 'application/json' }: Change, accepted: number[]): Promise<void> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const headers = { ...(content !== undefined && { 'content-type': type }) };
    const response = await this.#send({ method, path, headers, content }, this.#signal);
    const answer = await text(response);
    if (!accepted.includes(response.statusCode ?? 0)) throw wrongStatus(response, answer);
  }

  async #follow<Item extends Named>(resource: Resource<Item>, store: Store<Item>): Promise<void> {
    let version: string | undefined;
    const listAndWatch = async (signal: AbortSignal): Promise<void> => {
      version ??= await this.#list(resource, store, signal);
      this.#failures.delete(resource.path);
      const startedAt = performance.now();
      const from = version;
      // After any error, everything is read again.
      version = undefined;
      const next = await this.#watch(resource, store, from, signal);
      if (next === from && performance.now() - startedAt < shortestMs)
        throw new Unhealthy('the API server ended the watch at once');
      version = next;
    };
    const timing = {
      timeoutMs: Infinity,
      attemptTimeoutMs: Infinity,
      periodMs: 50,
      maxPeriodMs: 2000,
      onAttemptFailed: (reason: string) => {
        if (this.#failures.get(resource.path) !== reason) console.error(`${resource.path}: ${reason}`);
        this.#failures.set(resource.path, reason);
        // The kubelet of a worker renews its certificate in the file.
        this.#agent = agentOf(this.#api);
      },
    };
    while (!this.#signal.aborted) {
      await until(listAndWatch, timing, this.#signal).catch((error: unknown) => {
        if (!this.#signal.aborted) throw error;
      });
    }
  }

  /** Returns the version of the list. */
  async #list<Item extends Named>(
    { path, read }: Resource<Item>,
    store: Store<Item>,
    signal: AbortSignal,
  ): Promise<string> {
    // From the API server's cache, which is not older than what it has served to a watch.
    const response = await this.#get(`${path}?resourceVersion=0`, signal);
    const list = parseJson(await text(response));
    store.replace(listAt(list, 'items').map(read));
    return textAt(list, 'metadata', 'resourceVersion');
  }

  /** Returns the version to continue from when the API server ends the watch. */
  async #watch<Item extends Named>(
    { path, read }: Resource<Item>,
    store: Store<Item>,
    from: string,
    signal: AbortSignal,
  ): Promise<string> {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${from}`;
    let version = from;
    for await (const line of lines(await this.#get(`${path}?${query}`, signal))) {
      const event = parseJson(line);
      const object = at(event, 'object');
      const type = textAt(event, 'type');
      if (type === 'ERROR' || object === undefined)
        throw new Unhealthy(textAt(object, 'message') || oneLine(line));
      if (type === 'DELETED') store.delete(read(object));
      else if (type !== 'BOOKMARK') store.set(read(object));
      version = textAt(object, 'metadata', 'resourceVersion');
    }
    return version;
  }

  /** Resolves when the head of a response with status 200 has arrived. */
  async #get(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await this.#send({ method: 'GET', path }, signal);
    if (response.statusCode === 200) return response;
    throw wrongStatus(response, await text(response));
  }

  async #send({ method, path, headers, content }: Sent, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(path, this.#api.server);
    const all = { accept: 'application/json', 'user-agent': 'k8s-single', ...headers };
    const options = { method, agent: this.#agent, headers: all, signal, timeout: silenceMs };
    return new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, options, resolve);
      sent.on('timeout', () => sent.destroy(new Error(`silent for ${silenceMs / 1000} s`)));
      sent.on('error', reject).end(content);
    }).catch((error: unknown) => {
      throw cannotReach(error, url.host, this.#api);
    });
  }
}

function agentOf(api: ApiAccess): Agent {
  const [ca, cert, key] = [api.ca, api.cert, api.key].map((file) => readFileSync(file));
  return new Agent({ ca, cert, key, keepAlive: true });
}

function wrongStatus({ statusCode }: IncomingMessage, body: string): Unhealthy {
  return new Unhealthy(`HTTP ${statusCode}: ${oneLine(textAt(parseJson(body), 'message') || body)}`);
}

async function text(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** The complete lines of a stream. */
async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((part) => part !== '');
  }
}
