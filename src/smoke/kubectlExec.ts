import { execa } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import { oneLine } from '../../probes/transport/reason.ts';

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
  const lines = result.stderr.trim().split('\n');
  // Its own last line tells the exit code alone; before it is what the command said.
  const said = lines.findLast((line) => !line.startsWith('command terminated')) ?? lines.at(-1);
  throw new Unhealthy(`kubectl exec: ${oneLine(said || 'it failed')}`, { cause: result.cause });
}
