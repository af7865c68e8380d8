import type { Probe } from '../../probes/probe.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { unix } from '../../probes/kinds/unix.ts';
import { DeadlineExceeded, until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { killNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import type { NodeInstance } from '../instance/nodeInstance.ts';

/** In ms. A node answers about 0.5 s after its start; crashCleanup.ts gives what a dead supervisor left 10 s to end. */
const answersWithinMs = 20_000;

/** The longest orderly stop, in ms: in the worst case the sum of the components' grace periods. */
const stopWithinMs = 120_000;

/** From SIGKILL until everything is gone, in ms. */
const killedWithinMs = 20_000;

const never = new AbortController().signal;

/**
 * Stops a node, also one that is only starting: in order while its supervisor answers, otherwise by SIGKILL. Resolves when no
 * process of it lives.
 * @throws Failure `notReady` when a process cannot be killed
 */
export async function stopNode(node: NodeInstance, name: string, controlSocket: string): Promise<void> {
  const ended: Probe = async () => {
    if (!(await node.hasEnded())) throw new Unhealthy(`node ${name} is still being taken down`);
  };
  try {
    await requestStop(node, controlSocket);
    await until(ended, { timeoutMs: stopWithinMs }, never);
  } catch (error) {
    console.error(`node ${name} does not stop by itself (${reasonOf(error)}): by force`);
    const killed: Probe = async (signal) => {
      if (!(await node.hasEnded())) await killNodeCgroup(name);
      await ended(signal);
    };
    await until(killed, { timeoutMs: killedWithinMs }, never).catch((cause: unknown) => {
      if (!(cause instanceof DeadlineExceeded)) throw cause;
      throw new Failure('notReady', `node ${name} cannot be taken down: ${cause.lastReason}`, {
        hint: 'a process keeps its lock; one in state D waits for the kernel: ps -eo pid,stat,wchan:20,args',
        cause,
      });
    });
  }
}

/** Resolves when the node has been asked to stop, or has ended. A node that is starting answers soon. */
async function requestStop(node: NodeInstance, controlSocket: string): Promise<void> {
  let answers = false;
  const reached: Probe = async (signal) => {
    if (await node.hasEnded()) return;
    const { launcherPid } = node;
    if (launcherPid === undefined) {
      await unix(controlSocket)(signal);
      answers = true;
    } else process.kill(launcherPid, 'SIGTERM');
  };
  await until(reached, { timeoutMs: answersWithinMs }, never);
  if (!answers) return;
  await client(controlSocket)
    .down(AbortSignal.timeout(stopWithinMs))
    .catch((error: unknown) => {
      // It was stopping already.
      if (!(error instanceof Failure && error.code === 'notReady')) throw error;
    });
}
