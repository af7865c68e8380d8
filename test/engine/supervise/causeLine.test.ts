import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { causeLine } from '../../../src/engine/supervise/causeLine.ts';
import { tail } from '../../../src/engine/supervise/logFile.ts';
import { testGraph, gated } from '../../support/engine.ts';

const dumps = join(import.meta.dirname, '../../fixtures/engine/dumps');

const stack = ['main.main()', '\t/src/main.go:12 +0x1d', 'created by main.start', '\t/src/main.go:7 +0x2e'];
const goroutines = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => [`goroutine ${i + 1} [select, 2 minutes]:`, ...stack]).flat();

/** A log with these lines. */
function logWith(...lines: readonly string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'k8s-single-log-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, 'a.log'), lines.map((line) => `${line}\n`).join(''));
  return join(dir, 'a.log');
}

const causeIn = (...lines: readonly string[]): string | undefined => causeLine(tail(logWith(...lines), 20));

describe('the line that names the cause', () => {
  test.each([
    [
      'kubelet.log',
      /^F1128 .* failed to run Kubelet: .*dial unix \/run\/containerd.sock: connect: no such file/,
    ],
    ['etcd.log', /^panic: cannot open database at e1\/member\/snap\/db \(invalid database\)$/],
    ['etcd-zap.log', /^failed to open database: invalid database \(path e1\/member\/snap\/db\)$/],
  ])('is above a real dump: %s', (file, cause) => {
    const path = join(dumps, file);
    const lines = tail(path, 20);
    expect(causeLine(lines)).toMatch(cause);
    expect(lines).toHaveLength(20);
    expect(readFileSync(path, 'utf8')).toContain(lines.join('\n').slice(0, 200));
  });

  test.each([
    ['a panic', ['panic: boom', '', ...goroutines(1), 'exit status 2'], 'panic: boom'],
    [
      'a Corefile that does not parse (coremain of CoreDNS)',
      ["/srv/Corefile:3 - Error during parsing: Unknown directive 'kubernets'"],
      "/srv/Corefile:3 - Error during parsing: Unknown directive 'kubernets'",
    ],
    [
      'a fatal error',
      ['fatal error: all goroutines are asleep - deadlock!', '', ...goroutines(1)],
      /deadlock/,
    ],
    [
      'a nil pointer',
      [
        'panic: runtime error: invalid memory address or nil pointer dereference [recovered]',
        '\tpanic: runtime error: invalid memory address or nil pointer dereference',
        '[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45d4a1]',
        '',
        ...goroutines(1),
      ],
      /^panic: runtime error: invalid memory address or nil pointer dereference \[recovered\]$/,
    ],
    ['a value of several lines', ['panic: a', 'b', 'c', '', ...goroutines(2)], 'panic: a'],
    [
      'a fatal line before others',
      [
        'F0101 10:00:00.000001       1 server.go:188] no listener',
        'I0101 10:00:00.000002       1 a.go:1] bye',
      ],
      /no listener$/,
    ],
    [
      'zap',
      ['{"level":"fatal","ts":"x","msg":"discovery failed","error":"wal: crc mismatch"}'],
      'discovery failed: wal: crc mismatch',
    ],
    ['JSON that is cut off', ['{"level":"fatal","msg":"a'], '{"level":"fatal","msg":"a'],
    [
      'Node.js',
      ['Error: boom', '    at a (b.js:1:1) {', "  code: 'X'", '}', '', 'Node.js v20.20.2'],
      'Error: boom',
    ],
    [
      'Java',
      [
        'Exception in thread "main" A: b',
        '\tat a.B.c(B.java:1)',
        'Caused by: C: d',
        '\tat x(Y.java)',
        '\t... 3 more',
      ],
      'Caused by: C: d',
    ],
    [
      'Rust',
      ["thread 'main' panicked at src/main.rs:2:5:", 'boom', 'note: run with `RUST_BACKTRACE=1`'],
      'boom',
    ],
  ])('%s', (_of, lines, cause) => {
    const found = causeIn('starting', ...lines) ?? '';
    if (typeof cause === 'string') expect(found).toBe(cause);
    else expect(found).toMatch(cause);
  });

  test('is the last one otherwise, also where somebody logs the word panic', () => {
    expect(causeIn('panic: not of Go', 'first', 'bad flag: --x', '  usage: x')).toBe('  usage: x');
    expect(causeLine([])).toBeUndefined();
  });

  test('is found above a dump that is longer than what is read of other logs', () => {
    const path = logWith(
      'starting',
      'F0101 10:00:00.000001       1 server.go:188] too long',
      ...goroutines(3000),
    );
    expect(causeLine(tail(path, 20))).toMatch(/too long$/);
    expect(tail(path, 20).slice(0, 3)).toEqual([
      'starting',
      expect.stringMatching(/too long$/),
      'goroutine 1 [select, 2 minutes]:',
    ]);
  });

  test('of a real program of Node.js', async () => {
    const { stderr } = await execa(process.execPath, ['-e', 'throw new Error("boom")'], { reject: false });
    expect(causeIn(...stderr.split('\n'))).toBe('Error: boom');
  });

  test('is the reason of an exit', async () => {
    const t = await testGraph();
    const args = ['-c', `cat ${join(dumps, 'etcd.log')}; exit 2`];
    const a = await gated(t.dir, 'a', { command: { file: 'sh', args }, restart: { maxFailures: 0 } });
    const running = t.up([a]);
    await expect(running.done).rejects.toThrow(/exited with code 2: panic: cannot open database/);
  });
});
