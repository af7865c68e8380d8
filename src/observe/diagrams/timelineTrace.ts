import type { Timeline } from './timeline.ts';

/**
 * The timeline in the Trace Event Format, for Perfetto and chrome://tracing. One row per component, times in µs.
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
export function timelineTrace({ components, spans }: Timeline): string {
  const row = new Map(components.map((component, index) => [component, index + 1]));
  const rows = components.map((name) => ({
    ph: 'M',
    pid: 1,
    tid: row.get(name),
    name: 'thread_name',
    args: { name },
  }));
  const order = components.map((name, sort_index) => ({
    ph: 'M',
    pid: 1,
    tid: row.get(name),
    name: 'thread_sort_index',
    args: { sort_index },
  }));
  const slices = spans.map(({ component, phase, from, to }) => ({
    ph: 'X',
    pid: 1,
    tid: row.get(component),
    name: phase,
    cat: component,
    ts: Math.round(from * 1000),
    dur: Math.round((to - from) * 1000),
  }));
  const process = { ph: 'M', pid: 1, name: 'process_name', args: { name: 'k8s-single' } };
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents: [process, ...rows, ...order, ...slices] });
}
