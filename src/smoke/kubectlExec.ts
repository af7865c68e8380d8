import { execa } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import { oneLine } from '../../probes/reason.ts';

/**
 * Runs a command in a pod with `kubectl exec`: the API streams it over SPDY or a WebSocket, whichever the version has,
 * and kubectl speaks both. Resolves with stdout; rejects with an Unhealthy that quotes the last line of stderr.
 */
export async function kubectlExec(
  { kubectl, kubeconfig, namespace }: { kubectl: string; kubeconfig: string; namespace: string },
  pod: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const args = ['--kubeconfig', kubeconfig, '--namespace', namespace, 'exec', pod, '--', ...command];
  const result = await execa(kubectl, args, { reject: false, stdin: 'ignore', cancelSignal: signal });
  signal.throwIfAborted();
  if (result.exitCode === 0) return result.stdout;
  const said = result.stderr.trim().split('\n').at(-1) ?? '';
  throw new Unhealthy(`kubectl exec: ${oneLine(said || (result.shortMessage ?? 'it failed'))}`, {
    cause: result.cause,
  });
}
