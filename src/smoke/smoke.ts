import type { Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { ApiError, apiOf, readAccess, withToken, type Api } from './api.ts';
import type { Check, Image, Result } from './check.ts';
import { execInPod, streamInPod } from './podExec.ts';
import { runChecks, type RunOptions, type Watcher } from './run.ts';

export interface SmokeOptions {
  /** A unique name of this run. */
  readonly run: string;
  readonly checks: readonly Check[];
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly image: Image;
  /** The hint when the API server does not answer. */
  readonly unreachable?: string;
  /** The time limit of all checks together, in ms, without the clean-up. */
  readonly timeoutMs: number;
  readonly watcher: Watcher;
  readonly suspects?: RunOptions['suspects'];
  /** Interrupts the checks, but not the clean-up. */
  readonly signal: AbortSignal;
  /** Interrupts the clean-up as well: the namespace is deleted without waiting until it is gone. */
  readonly cleanupSignal: AbortSignal;
}

/** The namespace of a run. */
export function runNamespace(run: string): string {
  return `k8s-single-smoke-${run}`;
}

/**
 * Runs the checks in a namespace of their own and removes what they made, also when a check failed or the run
 * was interrupted. Resolves with the results, without those of interrupted checks.
 *
 * @throws Failure `notReady` when the API server cannot be reached, `usage` when the kubeconfig or its user
 * is not sufficient, `smoke` when the namespace cannot be deleted after a second interruption.
 */
export async function smoke(options: SmokeOptions): Promise<readonly Result[]> {
  const { run, kubectl, kubeconfig, image, checks, timeoutMs, watcher, signal, cleanupSignal } = options;
  const access = await readAccess(kubectl, kubeconfig);
  const api = apiOf(access);
  const namespace = runNamespace(run);
  const pods = { kubectl, kubeconfig, namespace, server: access.server };
  const context = {
    api,
    apiAs: (token: string) => apiOf(withToken(access, token)),
    namespace,
    namespacePath: `/api/v1/namespaces/${namespace}`,
    image,
    exec: execInPod.bind(undefined, pods),
    stream: streamInPod.bind(undefined, pods),
  };
  const suspects = options.suspects ?? (async () => []);
  try {
    // Not `signal`: a request that has been sent must be waited for, or the namespace would be left behind.
    await createNamespace(api, namespace, cleanupSignal, { hint: options.unreachable });
    return await runChecks(checks, { context, timeoutMs, watcher, suspects, signal, cleanupSignal });
  } finally {
    if (cleanupSignal.aborted) await deleteNamespace(api, context.namespacePath, namespace);
  }
}

/** The time limit for the first answer of the API server, in ms. */
const firstAnswerMs = 10_000;

/**
 * Creates the namespace of a run. This is the first request to the cluster.
 *
 * @throws Failure `notReady` with `hint` when the API server does not answer, `usage` when the user may not
 * create namespaces.
 * @internal exported for tests
 */
export async function createNamespace(
  api: Api,
  name: string,
  signal: AbortSignal,
  { timeoutMs = firstAnswerMs, hint }: { timeoutMs?: number; hint?: string | undefined } = {},
): Promise<void> {
  // Admits our pods even in a cluster with a stricter default (Pod Security admission): one of them is in the host's network.
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
  let refusal: ApiError | undefined;
  const created: Probe = async (attemptSignal) => {
    await api.create('/api/v1/namespaces', namespace, attemptSignal).catch((error: unknown) => {
      // The name is random: if it exists, the response to an earlier attempt was lost.
      if (error instanceof ApiError && error.status === 409) return;
      if (!(error instanceof ApiError && [401, 403].includes(error.status))) throw error;
      refusal = error;
    });
  };
  await until(created, { timeoutMs, attemptTimeoutMs: timeoutMs }, signal).catch((cause: unknown) => {
    if (!(cause instanceof DeadlineExceeded)) throw cause;
    throw new Failure('notReady', `the API server cannot be used: ${cause.lastReason}`, {
      ...(hint !== undefined && { hint }),
      cause,
    });
  });
  if (refusal === undefined) return;
  throw new Failure('usage', `this user may not create a namespace: ${refusal.message}`, {
    hint: 'the smoke test needs the rights of an administrator',
    cause: refusal,
  });
}

/** Requests the deletion without waiting for its end. */
async function deleteNamespace(api: Api, path: string, name: string): Promise<void> {
  await api.remove(path, new AbortController().signal).catch((cause: unknown) => {
    throw new Failure('smoke', `namespace ${name} could not be removed: ${reasonOf(cause)}`, {
      hint: `kubectl delete namespace ${name}`,
      cause,
    });
  });
}
