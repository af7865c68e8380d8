import { hostname } from 'node:os';
import type { Result } from '../check.ts';
import { tally } from './view.ts';

/** The metadata of a report. */
export interface Suite {
  /** The node or the cluster that was tested. */
  readonly name: string;
  readonly startedAt: Date;
  readonly ms: number;
}

/**
 * The results as JUnit XML that is valid by both schemas in use: Ant's (by Windy Road) and that of the
 * Jenkins xunit plugin. Has only attributes and elements that both allow, and all that either requires, in
 * the required order.
 */
export function junit(results: readonly Result[], { name, startedAt, ms }: Suite): string {
  const { failed, skipped } = tally(results);
  const suite = attributes({
    name: 'smoke',
    package: 'k8s-single',
    id: 0,
    hostname: hostname(),
    timestamp: startedAt.toISOString().slice(0, 19),
    tests: results.length,
    failures: failed,
    errors: 0,
    skipped,
    time: seconds(ms),
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite${suite}>`,
    '    <properties>',
    `      <property${attributes({ name: 'cluster', value: name })}/>`,
    '    </properties>',
    ...results.flatMap(testcase),
    '    <system-out/>',
    '    <system-err/>',
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function testcase(result: Result): string[] {
  const start = `    <testcase${attributes({
    name: result.check,
    classname: 'k8s-single.smoke',
    time: seconds(result.ms),
  })}`;
  switch (result.outcome) {
    case 'passed':
      return [`${start}/>`];
    case 'skipped':
      return [`${start}>`, `      <skipped${attributes({ message: result.reason })}/>`, '    </testcase>'];
    case 'failed': {
      const failure = attributes({ message: result.reason, type: 'failed' });
      const text = escaped([result.reason, ...result.evidence].join('\n'));
      return [`${start}>`, `      <failure${failure}>${text}</failure>`, '    </testcase>'];
    }
  }
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Replaces characters that XML 1.0 cannot represent, not even escaped: logs may contain them. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll(/[&<>"]/g, (character) => entities[character]!);
}
