import { client } from '../control/client.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';

/** So long a supervisor that hangs is waited for, in ms. */
const patienceMs = 5000;

/**
 * `k8s-single healthcheck`, for Docker's HEALTHCHECK: 0 when the whole node is ready, otherwise 1, the only other exit code
 * that Docker knows, with the reasons on stdout, where `docker inspect` shows them. Loads next to nothing: it is a whole
 * process every few seconds.
 */
export async function healthcheck({ name }: { name: string }): Promise<number> {
  const reasons = await client(nodePaths(name).controlSocket)
    .notReady(AbortSignal.timeout(patienceMs))
    .catch((error: unknown) => {
      if (error instanceof Failure) return [error.message];
      if (error instanceof Error && error.name === 'TimeoutError') return [`node ${name} does not answer`];
      throw error;
    });
  console.log(reasons.length === 0 ? 'ready' : reasons.join('\n'));
  return reasons.length === 0 ? 0 : 1;
}
