import type { Probe } from '../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { Failure } from '../lib/errors.ts';
import { ApiError, type Api } from './api.ts';

/** How long the API may take to answer at all, in ms. */
const answerMs = 10_000;

/**
 * Makes the namespace of a run: the first thing asked of a cluster, before which nothing works. The signal is the one
 * that hurries, not the one that interrupts: what is being made must be known in order to be removed.
 *
 * @throws Failure `notReady` when nothing answers, with `hint` what to do then; `usage` when we may not.
 */
export async function makeNamespace(
  api: Api,
  name: string,
  signal: AbortSignal,
  { timeoutMs = answerMs, hint }: { timeoutMs?: number; hint?: string | undefined } = {},
): Promise<void> {
  // So that a cluster with a stricter default (Pod Security admission) lets our pods in.
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
  let refusal: ApiError | undefined;
  const made: Probe = async (lookSignal) => {
    await api.create('/api/v1/namespaces', namespace, lookSignal).catch((error: unknown) => {
      // The name is random: if there is one already, the answer to an earlier request was lost.
      if (error instanceof ApiError && error.status === 409) return;
      if (!(error instanceof ApiError && [401, 403].includes(error.status))) throw error;
      refusal = error;
    });
  };
  await until(made, { timeoutMs, attemptTimeoutMs: timeoutMs }, signal).catch((cause: unknown) => {
    if (!(cause instanceof DeadlineExceeded)) throw cause;
    throw new Failure('notReady', `the API server cannot be used: ${cause.lastReason}`, {
      ...(hint !== undefined && { hint }),
      cause,
    });
  });
  if (refusal === undefined) return;
  throw new Failure('usage', `this user may not make a namespace: ${refusal.message}`, {
    hint: 'the smoke test needs the rights of an administrator',
    cause: refusal,
  });
}
