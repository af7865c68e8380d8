import type { Duplex } from 'node:stream';
import { execa, type Options } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';
import { kubectlEnv } from '../lib/proxyEnv.ts';

// `kubectl exec` supports the streaming protocol of every version (SPDY or WebSocket).

/** The namespace in which commands run, and the means to get there. */
export interface PodExec {
  readonly kubectl: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  /** The URL of the API server. */
  readonly server: string;
}

/** The stdin and stdout of a command in a pod, such as of nc: a connection of that pod. */
export interface PodStream {
  readonly stream: Duplex;
  /** Resolves when the command has ended: with the reason if it failed. Never rejects. */
  readonly ended: Promise<string | undefined>;
}

/** Runs a command in a pod. Resolves with stdout; rejects with an Unhealthy that quotes the last line of stderr. */
export async function execInPod(
  target: PodExec,
  pod: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const result = await kubectlExec(target, [pod], command, { stdin: 'ignore', cancelSignal: signal });
  signal.throwIfAborted();
  const reason = failureOf(result);
  if (reason !== undefined) throw new Unhealthy(reason, { cause: result.cause });
  return result.stdout;
}

/** Starts a command in a pod. The signal ends it here, but not in the pod. */
export function streamInPod(
  target: PodExec,
  pod: string,
  command: readonly string[],
  signal: AbortSignal,
): PodStream {
  const buffer = { stdout: false, stderr: true };
  const child = kubectlExec(target, ['--stdin', pod], command, {
    buffer,
    encoding: 'utf8',
    cancelSignal: signal,
  });
  const stream = child.duplex({ binary: true });
  // Whoever uses it gets the reason by `ended`.
  stream.on('error', () => undefined);
  return { stream, ended: child.then(failureOf) };
}

function kubectlExec<Extra extends Options>(
  { kubectl, kubeconfig, namespace, server }: PodExec,
  args: readonly string[],
  command: readonly string[],
  options: Extra,
) {
  // No other request of the smoke test takes a proxy.
  const env = kubectlEnv([new URL(server).hostname]);
  const all = ['--kubeconfig', kubeconfig, '--namespace', namespace, 'exec', ...args, '--', ...command];
  return execa(kubectl, all, { ...options, env, reject: false });
}

function failureOf({
  exitCode,
  stderr,
}: {
  readonly exitCode?: number | undefined;
  readonly stderr?: string | undefined;
}) {
  if (exitCode === 0) return undefined;
  const lines = (stderr ?? '').trim().split('\n');
  // kubectl's own last line has only the exit code; the command's lines are above it.
  const reason = lines.findLast((line) => !line.startsWith('command terminated')) ?? lines.at(-1);
  return `kubectl exec: ${oneLine(reason || 'it failed')}`;
}
