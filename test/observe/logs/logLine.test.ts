import { describe, expect, it } from 'vitest';
import { stampOf } from '../../../src/observe/logs/logLine.ts';

const now = new Date(2026, 7, 1, 13, 0, 0).getTime();
const local = (ms: number): number => new Date(2026, 7, 1, 12, 0, 0, ms).getTime();

describe('time and level of a line', () => {
  it.each([
    ['I0801 12:00:00.123456    1234 server.go:12] Started', local(123), 'info'],
    ['W0801 12:00:00.123456       1 x.go:1] careful', local(123), 'warn'],
    ['F0801 12:00:00.000001       1 x.go:1] dead', local(0), 'fatal'],
    [
      'E1231 23:59:59.999999       1 x.go:1] last year',
      new Date(2025, 11, 31, 23, 59, 59, 999).getTime(),
      'error',
    ],
    [
      '{"level":"warn","ts":"2026-08-01T12:00:00.123Z","caller":"x","msg":"y"}',
      Date.UTC(2026, 7, 1, 12, 0, 0, 123),
      'warn',
    ],
    [
      '{"level":"info","ts":"2026-08-01T12:00:00.123+0200","msg":"y"}',
      Date.UTC(2026, 7, 1, 10, 0, 0, 123),
      'info',
    ],
    ['{"level":"error","ts":1785585600.5,"msg":"y"}', 1_785_585_600_500, 'error'],
    [
      'time="2026-08-01T12:00:00.123456789Z" level=warning msg="x"',
      Date.UTC(2026, 7, 1, 12, 0, 0, 123),
      'warn',
    ],
    ['time="2026-08-01T12:00:00+02:00" level=fatal msg="x"', Date.UTC(2026, 7, 1, 10), 'fatal'],
    ['2026-08-01 12:00:00.123456 I | etcdserver: ready', local(123), 'info'],
    ['2026-08-01 12:00:00.123456 C | etcdmain: dead', local(123), 'fatal'],
    ['{"level":"info","msg":"no time"}', undefined, 'info'],
    ['goroutine 1 [running]:', undefined, undefined],
    ['{"some":"json"}', undefined, undefined],
    ['{"level":"odd","ts":"yesterday"}', undefined, undefined],
    ['', undefined, undefined],
  ])('%s', (text, at, level) => {
    expect(stampOf(text, now)).toEqual({ at, level });
  });
});
