import { stripVTControlCharacters } from 'node:util';
import { execa } from 'execa';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Result } from '../../src/smoke/check.ts';
import { jsonView } from '../../src/smoke/output/json.ts';
import { junit } from '../../src/smoke/output/junit.ts';
import { prettyView } from '../../src/smoke/output/pretty.ts';
import { tapView } from '../../src/smoke/output/tap.ts';
import { debianRoot, type DebianRoot } from '../config/debianRoot.ts';

const results: readonly Result[] = [
  { check: 'node', outcome: 'passed', ms: 12.3 },
  {
    check: 'pod',
    outcome: 'failed',
    ms: 90_000,
    reason: 'the pod: waiting: <none> & "no" image # 1',
    evidence: ['event: Failed pod/pod: ]]> \u001b[31mred\u001b[0m', 'log of pod: \ud800 lone \u{1f600}'],
  },
  { check: 'dns', outcome: 'skipped', ms: 0, reason: 'DNS is not installed' },
];

function written(make: (write: (text: string) => void) => { ended: (result: Result) => void }): string {
  const texts: string[] = [];
  const view = make((text) => texts.push(text));
  for (const result of results) view.ended(result);
  return texts.join('');
}

describe('TAP', () => {
  const text = written((write) => tapView(write, results.length));

  it('prints version and plan first, then a test point for each result', () => {
    expect(text.split('\n').filter((line) => /^\S/.test(line))).toEqual([
      'TAP version 14',
      '1..3',
      'ok 1 - node',
      'not ok 2 - pod',
      'ok 3 - dns # SKIP DNS is not installed',
    ]);
  });

  it('explains a failure in YAML', () => {
    const block = /not ok 2 - pod\n {2}---\n(.*?) {2}\.\.\.\n/s.exec(text)?.[1];
    expect(parse(block ?? '')).toEqual({
      duration_ms: 90_000,
      message: results[1]?.outcome === 'failed' ? results[1].reason : '',
      evidence: results[1]?.outcome === 'failed' ? results[1].evidence : [],
    });
  });

  it('bails out when it is interrupted', () => {
    const texts: string[] = [];
    tapView((more) => texts.push(more), 1).end([], 0, 'SIGINT');
    expect(texts.at(-1)).toBe('Bail out! interrupted by SIGINT\n');
  });
});

it('JSON is one line for each result', () => {
  const lines = written(jsonView).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { check: 'node', outcome: 'passed', ms: 12 },
    expect.objectContaining({ check: 'pod', outcome: 'failed', evidence: expect.any(Array) as unknown }),
    { check: 'dns', outcome: 'skipped', ms: 0, reason: 'DNS is not installed' },
  ]);
});

describe('JUnit XML', () => {
  const schema = join(import.meta.dirname, '../fixtures/smoke/junit.xsd');
  const startedAt = new Date('2026-01-02T03:04:05.678Z');
  let xmllint: DebianRoot;

  beforeAll(async () => {
    xmllint = await debianRoot(['libxml2-utils']);
  }, 120_000);

  const lint = async (input: string) =>
    execa('xmllint', ['--noout', '--schema', schema, '-'], {
      input,
      reject: false,
      env: { ...xmllint.env, PATH: `${xmllint.path}:${process.env['PATH']}` },
    });

  it('is valid by the common schema, whatever the texts are', async () => {
    const report = junit(results, { name: 'the "default" node', startedAt, ms: 91_234 });
    expect(await lint(report)).toMatchObject({ exitCode: 0 });
    expect(report).toContain('tests="3" failures="1" errors="0" skipped="1" time="91.234"');
    expect(report).toContain('timestamp="2026-01-02T03:04:05"');
  });

  it('the schema refuses an invalid report', async () => {
    const report = junit(results, { name: 'node', startedAt, ms: 1 });
    for (const invalid of [
      report.replace(' failures="1"', ''),
      report.replace('<skipped message', '<ignored message'),
      report.replace('type="failed"', ''),
    ]) {
      expect(invalid).not.toBe(report);
      expect(await lint(invalid)).toMatchObject({ exitCode: 3 });
    }
  });
});

describe('the table for people', () => {
  const shown = (inPlace: boolean): string[] => {
    const texts: string[] = [];
    const terminal = { columns: 60, rows: 24, write: (text: string) => texts.push(text) };
    const names = results.map(({ check }) => check);
    const view = prettyView(terminal, { names, style: (_colour, text) => text, inPlace });
    view.started('pod');
    for (const result of results) view.ended(result);
    view.end(results, 91_234);
    return stripVTControlCharacters(texts.join('')).split('\n');
  };

  it('has a line for each check as it ends, and explains the failures below', () => {
    expect(shown(false)).toEqual([
      '  ✓ node      0.0 s',
      '  ✗ pod    1 m 30 s  the pod: waiting: <none> & "no" image # 1',
      '  - dns              DNS is not installed',
      '',
      '  ✗ pod: the pod: waiting: <none> & "no" image # 1',
      '      event: Failed pod/pod: ]]> red',
      expect.stringContaining('      log of pod: '),
      '',
      '  1 passed, 1 failed, 1 skipped in 1 m 31 s',
      '',
    ]);
  });

  it('on a terminal it shows all checks from the start, and no line is wider than the terminal', () => {
    const lines = shown(true);
    expect(lines.slice(0, 3)).toEqual(['  · node', '  · pod', '  · dns']);
    expect(lines).toContain('  › pod       0.0 s');
    const table = lines.slice(0, lines.indexOf(''));
    for (const line of table) expect(line.length).toBeLessThan(60);
  });
});
