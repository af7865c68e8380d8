import { Failure, reasonOf } from '../../lib/errors.ts';
import type { CheckResult } from '../../host/checkResult.ts';

/** What a look finds, or the problem that it ended with. */
export async function checkSafely(what: string, look: () => Promise<CheckResult>): Promise<CheckResult> {
  try {
    return await look();
  } catch (error) {
    const mend = error instanceof Failure ? error.hint : undefined;
    return {
      level: 'problem',
      subject: what,
      message: reasonOf(error),
      ...(mend === undefined ? {} : { remedy: mend }),
    };
  }
}
