import { unix } from '../../../probes/kinds/unix.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { nodePaths } from '../../lib/paths.ts';

/** How long a supervisor may take to accept a connection, in ms. */
const answersWithinMs = 2000;

/**
 * Whether the supervisor of a node answers. One that was killed does not, seconds before the node is gone: a command may fail because of
 * that, and be the first to notice.
 */
export async function answers(name: string): Promise<boolean> {
  try {
    await probeOnce(unix(nodePaths(name).controlSocket), answersWithinMs, new AbortController().signal);
    return true;
  } catch {
    return false;
  }
}
