import { join } from 'node:path';
import { until } from '../../probes/until.ts';
import type { Component, Task } from '../component.ts';
import { commandOf } from './command.ts';
import type { ComponentSpec } from './componentSpec.ts';
import { commonParts, serviceParts, surroundings } from './parts.ts';
import { probeOf } from './probeOf.ts';
import { runOnce } from './runOnce.ts';

/** Where a component's relative paths start, and where the logs lie. */
export interface Folders {
  readonly dir: string;
  readonly logs: string;
}

/** A component that a config describes on its own. Without a ready probe it is ready once it runs. */
export function componentOf(name: string, spec: ComponentSpec, folders: Folders): Component {
  if (spec.task === true)
    return { kind: 'task', name, needs: [], run: workOf(name, spec, folders), ...commonParts(spec) };
  return {
    kind: 'service',
    name,
    needs: [],
    command: commandOf(spec, folders.dir),
    ready: async () => undefined,
    // That this probe passes before the start means nothing: with `ports` the engine looks at those instead.
    ...(spec.ready === undefined && { ports: [] }),
    ...serviceParts(spec, folders.dir),
  };
}

/** The built-in `component` with the keys that the config gives replaced; `args` and `env` are added to its own. */
export function override(component: Component, spec: ComponentSpec, folders: Folders): Component {
  if (component.kind === 'task') return { ...component, ...commonParts(spec) };
  const parts = serviceParts(spec, folders.dir);
  return {
    ...component,
    ...parts,
    command: commandOf(spec, folders.dir, component.command),
    restart: { ...component.restart, ...parts.restart },
    stop: { ...component.stop, ...parts.stop },
  };
}

/** A task runs its command, or waits for its probe. The engine sets the deadline. */
function workOf(name: string, spec: ComponentSpec, { dir, logs }: Folders): Task['run'] {
  if (spec.ready === undefined) {
    const command = commandOf(spec, dir);
    return async (signal) => runOnce(await command(), join(logs, `${name}.log`), signal);
  }
  const probe = probeOf(spec.ready, surroundings(spec, dir));
  return async (signal, report) =>
    until(probe, { timeoutMs: Number.POSITIVE_INFINITY, onMiss: report }, signal);
}
