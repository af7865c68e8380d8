import type { Probe } from '../../probes/probe.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { killNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import type { NodeInstance } from '../instance/nodeInstance.ts';

/** A node answers some 0.5 s after its start; what a dead supervisor has left is given 10 s to end (crashCleanup.ts). In ms. */
const answersWithinMs = 20_000;

/** Stopping in order takes what the components' graces take together in the worst case, in ms. */
const stopWithinMs = 120_000;

/** From SIGKILL to gone, in ms. */
const killedWithinMs = 20_000;

const never = new AbortController().signal;

/**
 * Ends a node, be it only just starting: in order while its supervisor answers, by force when it does not. Resolves when nobody
 * of it lives, at once when nobody did; rejects with what would not go.
 */
export async function stopNode(life: NodeInstance, name: string, controlSocket: string): Promise<void> {
  const ended: Probe = async () => {
    if (!(await life.hasEnded())) throw new Unhealthy(`node ${name} is still being taken down`);
  };
  try {
    await requestStop(life, controlSocket);
    await until(ended, { timeoutMs: stopWithinMs }, never);
  } catch (error) {
    console.error(`node ${name} does not stop by itself (${reasonOf(error)}): by force`);
    const killed: Probe = async (signal) => {
      if (!(await life.hasEnded())) await killNodeCgroup(name);
      await ended(signal);
    };
    await until(killed, { timeoutMs: killedWithinMs }, never);
  }
}

/** Resolves when the node has been told to end, or has ended: what is being started answers soon. */
async function requestStop(life: NodeInstance, controlSocket: string): Promise<void> {
  let answers = false;
  const reached: Probe = async (signal) => {
    if (await life.hasEnded()) return;
    const { launcherPid } = life;
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
      // It was on its way already.
      if (!(error instanceof Failure && error.code === 'notReady')) throw error;
    });
}
