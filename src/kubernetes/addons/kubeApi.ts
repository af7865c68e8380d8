import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Api } from '../../../probes/kinds/api.ts';
import { at, listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { cannotReach, oneLine } from '../../../probes/transport/reason.ts';
import { Unhealthy } from '../../../probes/probe.ts';

/** The API server has answered, with an error. */
export class ApiError extends Unhealthy {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The API server does not answer: that says nothing of what it stores. */
export class Unreachable extends Unhealthy {}

/** What identifies an object to people and to the API. */
export interface ObjectId {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for an object of the cluster. */
  readonly namespace: string;
  readonly name: string;
}

/** A kind as the API serves it. */
export interface Resource {
  readonly isNamespaced: boolean;
  /** The path of all its objects. */
  readonly all: string;
  /** The path of an object; of all objects in the namespace without a name. */
  readonly path: (namespace: string, name?: string) => string;
}

interface Sent {
  readonly method: 'GET' | 'PATCH' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

interface Answer {
  readonly status: number;
  readonly object: unknown;
}

/** Only the metadata of objects, which is smaller. All resources have it. */
const metadataOnly = ['PartialObjectMetadataList', 'PartialObjectMetadata'].map(
  (kind) => `application/json;as=${kind};g=meta.k8s.io;v=v1`,
);

/** The manager of the fields that addons set (managedFields): one for all, so that an object can pass from one to another. */
const fieldManager = 'k8s-single-addons';

/** The time limit of one request, in ms: the API server itself gives an admission webhook 30 s at most. */
const timeoutMs = 35_000;

/** The API server as addons use it: any kind of objects, by server-side apply. Keeps one connection. */
export class KubeApi {
  readonly #access: Api;
  readonly #groups = new Map<string, readonly unknown[]>();
  #agent: Agent | undefined;

  constructor(access: Api) {
    this.#access = access;
  }

  /** The object; undefined if there is none. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#find({ method: 'GET', path }, signal);
  }

  /** The object's metadata, as `{ metadata }`; undefined if there is none. */
  async getMetadata(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#find(
      { method: 'GET', path, headers: { accept: `${metadataOnly[1]},application/json` } },
      signal,
    );
  }

  /** The metadata of the objects at a path, each as `{ metadata }`. */
  async listMetadata(path: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const headers = { accept: `${metadataOnly[0]},application/json` };
    return listAt(await this.#find({ method: 'GET', path, headers }, signal), 'items');
  }

  /**
   * Creates the object, or sets these fields of it.
   * @param force also those that another manager has set; otherwise that is an error
   */
  async apply(
    path: string,
    body: object,
    { force }: { readonly force: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly object: unknown; readonly isNew: boolean }> {
    const headers = { 'content-type': 'application/apply-patch+yaml' };
    const query = `fieldManager=${fieldManager}&force=${force}`;
    const sent = { method: 'PATCH', path: `${path}?${query}`, headers, body } as const;
    const { status, object } = await this.#send(sent, signal);
    if (status !== 200 && status !== 201) throw errorOf(status, object);
    return { object, isNew: status === 201 };
  }

  /** Deletes the object with this UID, and with it what it owns. No error if it is gone. */
  async remove(path: string, uid: string, signal: AbortSignal): Promise<void> {
    const body = { preconditions: { uid }, propagationPolicy: 'Background' };
    const { status, object } = await this.#send({ method: 'DELETE', path, body }, signal);
    // 409: there is another object of that name by now.
    if (![200, 202, 404, 409].includes(status)) throw errorOf(status, object);
  }

  async create(path: string, body: object, signal: AbortSignal): Promise<void> {
    const { status, object } = await this.#send({ method: 'POST', path, body }, signal);
    if (status !== 201) throw errorOf(status, object);
  }

  /** How the API serves a kind; undefined if it does not. */
  async resource(
    { apiVersion, kind }: Pick<ObjectId, 'apiVersion' | 'kind'>,
    signal: AbortSignal,
  ): Promise<Resource | undefined> {
    const matches = (each: unknown): boolean => textAt(each, 'kind') === kind;
    let found = this.#groups.get(apiVersion)?.find(matches);
    if (found === undefined) {
      this.#groups.set(apiVersion, await this.#resourcesOf(apiVersion, signal));
      found = this.#groups.get(apiVersion)?.find(matches);
    }
    return found === undefined ? undefined : resourceOf(apiVersion, found);
  }

  /** All kinds of objects in namespaces that can be listed, by the name of the resource and its group. */
  async namespacedResources(
    signal: AbortSignal,
  ): Promise<{ readonly name: string; readonly group: string; readonly resource: Resource }[]> {
    const groups = listAt(await this.get('/apis', signal), 'groups');
    const versions = ['v1', ...groups.map((group) => textAt(group, 'preferredVersion', 'groupVersion'))];
    const found = [];
    for (const version of versions)
      for (const each of await this.#resourcesOf(version, signal))
        if (at(each, 'namespaced') === true && listAt(each, 'verbs').includes('list'))
          found.push({
            name: textAt(each, 'name'),
            group: groupOf(version),
            resource: resourceOf(version, each),
          });
    return found;
  }

  async #resourcesOf(apiVersion: string, signal: AbortSignal): Promise<readonly unknown[]> {
    const list = await this.get(rootOf(apiVersion), signal);
    // Without subresources.
    return listAt(list, 'resources').filter((each) => !textAt(each, 'name').includes('/'));
  }

  async #find(sent: Sent, signal: AbortSignal): Promise<unknown> {
    const { status, object } = await this.#send(sent, signal);
    if (status === 404) return undefined;
    if (status !== 200) throw errorOf(status, object);
    return object;
  }

  async #send({ method, path, headers = {}, body }: Sent, signal: AbortSignal): Promise<Answer> {
    const { server, ca } = this.#access;
    const url = new URL(path, server);
    const content = body === undefined ? undefined : JSON.stringify(body);
    const allHeaders = {
      accept: 'application/json',
      'user-agent': 'k8s-single',
      // Node.js leaves the length out for DELETE: then the body would be taken for the next request.
      ...(content !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(content),
      }),
      ...headers,
    };
    try {
      const options = {
        method,
        headers: allHeaders,
        signal,
        agent: (this.#agent ??= this.#connect()),
        timeout: timeoutMs,
      };
      const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
        const sent = request(url, options, (response) => {
          text(response).then(
            (answered) => resolve({ status: response.statusCode ?? 0, body: answered }),
            reject,
          );
        });
        sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
        sent.on('error', reject).end(content);
      });
      return { status: answer.status, object: parseJson(answer.body) ?? { message: answer.body } };
    } catch (error) {
      // The certificates may have been renewed.
      this.#agent?.destroy();
      this.#agent = undefined;
      signal.throwIfAborted();
      throw new Unreachable(cannotReach(error, url.host, { ca }).message, { cause: error });
    }
  }

  #connect(): Agent {
    const [ca, cert, key] = [this.#access.ca, this.#access.cert, this.#access.key].map((file) =>
      readFileSync(file),
    );
    return new Agent({ ca, cert, key, keepAlive: true, timeout: timeoutMs });
  }
}

function errorOf(status: number, object: unknown): ApiError {
  // Without the value of a whole pod template as Go prints it.
  const message = textAt(object, 'message').replace(/Invalid value: [\w.]+\{.*\}: /s, '');
  return new ApiError(status, oneLine(message) || `HTTP ${status}`);
}

/** The group of an API version; empty for the core. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

function rootOf(apiVersion: string): string {
  const parts = apiVersion.split('/').map(encodeURIComponent);
  return parts.length === 1 ? `/api/${parts[0]}` : `/apis/${parts.join('/')}`;
}

function resourceOf(apiVersion: string, served: unknown): Resource {
  const plural = textAt(served, 'name');
  const isNamespaced = at(served, 'namespaced') === true;
  const all = `${rootOf(apiVersion)}/${plural}`;
  return {
    isNamespaced,
    all,
    path: (namespace, name) => {
      const parent = isNamespaced
        ? `${rootOf(apiVersion)}/namespaces/${encodeURIComponent(namespace)}/${plural}`
        : all;
      return name === undefined ? parent : `${parent}/${encodeURIComponent(name)}`;
    },
  };
}

/** An object for people: `Deployment web/server`, `Namespace web`. */
export function describeId({ kind, namespace, name }: Omit<ObjectId, 'apiVersion'>): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** The kubectl command for an object, such as `kubectl delete`. */
export function kubectlFor(verb: string, { apiVersion, kind, namespace, name }: ObjectId): string {
  const group = groupOf(apiVersion);
  const type = group === '' ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
  const where = namespace === '' ? [] : ['--namespace', namespace];
  return ['kubectl', verb, ...where, `${type}/${name}`].join(' ');
}
