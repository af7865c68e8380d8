import { Failure, reasonOf } from '../../lib/errors.ts';
import type { Finding } from '../../host/checkResult.ts';

/** What a look finds, or the problem that it ended with. */
export async function attempt(what: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    const mend = error instanceof Failure ? error.hint : undefined;
    return { is: 'problem', what, found: reasonOf(error), ...(mend === undefined ? {} : { mend }) };
  }
}
