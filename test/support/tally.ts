import type { Reporter, TestModule } from 'vitest/node';

/**
 * Prints the last line of a run: `N passed, N failed`, and the name of each skipped test with its reason. In CI, which has
 * everything that a test needs, a skipped test counts as failed.
 */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    for (const test of skipped) console.log(`skipped: ${test.fullName}: ${noteOf(test.result())}`);
    const broken = modules.filter((module) => module.errors().length > 0).length + unhandledErrors.length;
    const strict = process.env['CI'] !== undefined && skipped.length > 0;
    if (strict) process.exitCode = 1;
    const failed = count('failed') + broken + (strict ? skipped.length : 0);
    console.log(`\n${count('passed')} passed, ${failed} failed`);
  }
}

function noteOf(result: { readonly note?: string | undefined } | object): string {
  return 'note' in result && result.note !== undefined ? result.note : 'no reason given';
}
