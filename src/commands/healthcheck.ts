import { client } from '../control/client.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { nodeName, nodeNameForm, nodePaths } from '../lib/paths.ts';

/** How long to wait for a supervisor that hangs, in ms. */
const timeoutMs = 5000;

/**
 * `k8s-single healthcheck`, for Docker's HEALTHCHECK. Exit code 0 if the whole node is ready, else 1, the only other one that
 * Docker defines. Prints the reasons to stdout, where `docker inspect` shows them. Imports as little as possible: Docker
 * starts this process every few seconds.
 */
export async function healthcheck({ name }: { name: string }): Promise<number> {
  // Without the grammar of the command line, which checks it elsewhere: the name becomes a path.
  if (!nodeName.test(name)) {
    console.log(`"${name}" is no name of a node: expected ${nodeNameForm}`);
    return 1;
  }
  const reasons = await client(nodePaths(name).controlSocket)
    .notReady(AbortSignal.timeout(timeoutMs))
    .catch(async (error: unknown) => {
      if (error instanceof Failure) {
        const { explainAbsence } = await import('../instance/lifeState.ts');
        return [reasonOf(await explainAbsence(name, error))];
      }
      if (error instanceof Error && error.name === 'TimeoutError') return [`node ${name} does not answer`];
      throw error;
    });
  console.log(reasons.length === 0 ? 'ready' : reasons.join('\n'));
  return reasons.length === 0 ? 0 : 1;
}
