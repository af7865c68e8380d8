import { Failure, reasonOf } from '../lib/errors.ts';
import { accessOf, withToken } from './access.ts';
import { apiOf, type Api } from './api.ts';
import type { Check, Image, Result } from './check.ts';
import { kubectlExec } from './kubectlExec.ts';
import { makeNamespace } from './namespace.ts';
import { runChecks, type RunOptions, type Watcher } from './run.ts';

export interface SmokeOptions {
  /** A name that no other run has. */
  readonly run: string;
  readonly checks: readonly Check[];
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly image: Image;
  /** What to do when the API server does not answer. */
  readonly unreachable?: string;
  /** Of all checks together, in ms; removing what they made comes on top. */
  readonly timeoutMs: number;
  readonly watcher: Watcher;
  readonly suspects?: RunOptions['suspects'];
  /** Interrupts the run: what it made is removed. */
  readonly signal: AbortSignal;
  /** Ends the waiting for the removal, which has been ordered by then. */
  readonly hurry: AbortSignal;
}

/** Where a run makes everything it makes. */
export function runNamespace(run: string): string {
  return `k8s-single-smoke-${run}`;
}

/**
 * Runs the checks in a namespace of their own and removes whatever they made, also when they failed or were interrupted.
 * Resolves with a result for each check that was not interrupted.
 *
 * @throws Failure `notReady` when the cluster cannot be reached, `usage` when it cannot be used.
 */
export async function smoke(options: SmokeOptions): Promise<readonly Result[]> {
  const { run, kubectl, kubeconfig, image, checks, timeoutMs, watcher, signal, hurry } = options;
  const access = await accessOf(kubectl, kubeconfig);
  const api = apiOf(access);
  const namespace = runNamespace(run);
  const context = {
    api,
    apiAs: (token: string) => apiOf(withToken(access, token)),
    namespace,
    home: `/api/v1/namespaces/${namespace}`,
    image,
    exec: async (pod: string, command: readonly string[], lookSignal: AbortSignal) =>
      kubectlExec({ kubectl, kubeconfig, namespace }, pod, command, lookSignal),
  };
  const suspects = options.suspects ?? (async () => []);
  try {
    await makeNamespace(api, namespace, hurry, { hint: options.unreachable });
    return await runChecks(checks, { context, timeoutMs, watcher, suspects, signal, hurry });
  } finally {
    if (hurry.aborted) await order(api, context.home);
  }
}

/** In a hurry nobody waits until it is gone, but the cluster has to know. */
async function order(api: Api, home: string): Promise<void> {
  await api.remove(home, new AbortController().signal).catch((cause: unknown) => {
    const name = home.split('/').at(-1);
    throw new Failure('smoke', `namespace ${name} could not be removed: ${reasonOf(cause)}`, {
      hint: `kubectl delete namespace ${name}`,
      cause,
    });
  });
}
