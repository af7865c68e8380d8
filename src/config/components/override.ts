import { until } from '../../../probes/until.ts';
import type { Component, Task } from '../../engine/component.ts';
import { commandOf } from './command.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import { commonParts, programParts, serviceParts, execOptions } from './parts.ts';
import { probeOf } from './probeOf.ts';

/** A component that a config in `dir` describes on its own. Without a ready probe it is ready once it runs. */
export function componentOf(name: string, spec: ComponentSpec, dir: string): Component {
  if (spec.task === true)
    return { kind: 'task', name, needs: [], run: workOf(spec, dir), ...commonParts(spec) };
  return {
    kind: 'service',
    name,
    needs: [],
    command: commandOf(spec, dir),
    ready: async () => undefined,
    // That this probe passes before the start means nothing: with `ports` the engine looks at those instead.
    ...(spec.ready === undefined && { ports: [] }),
    ...serviceParts(spec, dir),
  };
}

/** The built-in `component` with the keys that the config gives replaced; `args` and `env` are added to its own. */
export function override(component: Component, spec: ComponentSpec, dir: string): Component {
  if (component.kind === 'task') return { ...component, ...commonParts(spec) };
  const parts = serviceParts(spec, dir);
  return {
    ...component,
    ...parts,
    command: commandOf(spec, dir, component.command),
    restart: { ...component.restart, ...parts.restart },
    stop: { ...component.stop, ...parts.stop },
  };
}

/** A task runs its command, or waits for its probe. The engine sets the deadline. */
function workOf(spec: ComponentSpec, dir: string): Task['run'] {
  if (spec.ready === undefined) return { command: commandOf(spec, dir), ...programParts(spec, dir) };
  const probe = probeOf(spec.ready, execOptions(spec, dir));
  return async (signal, report) =>
    until(probe, { timeoutMs: Number.POSITIVE_INFINITY, onAttemptFailed: report }, signal);
}
