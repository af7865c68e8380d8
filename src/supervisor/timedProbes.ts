import type { Probe } from '../../probes/probe.ts';
import { timed } from '../../probes/timed.ts';
import type { Component } from '../engine/component.ts';
import type { ProbeAttempt } from '../observe/state/looks.ts';

/** The same component; each look of its probes is told. A task has none. */
export function withTimedProbes(component: Component, onAttempt: (look: ProbeAttempt) => void): Component {
  if (component.kind === 'task') return component;
  const { name, ready, live } = component;
  const told = (probe: Probe): Probe =>
    timed(probe, (ms, healthy) => onAttempt({ component: name, ms, healthy }));
  return { ...component, ready: told(ready), ...(live && { live: told(live) }) };
}
