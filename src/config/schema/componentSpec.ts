import { constants } from 'node:os';
import { z } from 'zod';
import {
  bool,
  duration,
  filled,
  integer,
  list,
  map,
  named,
  oneOf,
  oneOrMore,
  pattern,
  port,
  short,
  word,
} from './fields.ts';
import { liveSchema, probeSchema } from './probeSpec.ts';

const signalNames = Object.keys(constants.signals);

/** The largest `restart.maxFailures`: more than fit into the longest window with the default back-off. */
export const mostFailures = 1_000_000;

const need = short(
  'on',
  map({
    on: filled('the name of a component').describe('The name of the other component.'),
    condition: oneOf(['ready', 'started'])
      .default('ready')
      .describe('The state of the other component to wait for before the start. Default: ready.'),
    whenLost: oneOf(['keep', 'restart', 'stop'])
      .default('keep')
      .describe(
        'The reaction when the other component goes down while both run: keep running, restart after it, or stop. Default: keep.',
      ),
  }),
);

const command = z
  .union([z.string(), z.array(word())], {
    error: 'expected a list of words: the program and its arguments',
  })
  .refine((words) => words.length > 0 && words[0] !== '', { error: 'the command is empty' });

const restartKeys = {
  when: oneOf(['always', 'onFailure', 'never'])
    .exactOptional()
    .describe(
      'When to restart the component: always when it exits or is unhealthy; onFailure: not after exit code 0; never. After exit code 0, a component that is not restarted is done, and stays ready. Default: always.',
    ),
  onFailure: oneOf(['stopAll', 'keepOthers'])
    .exactOptional()
    .describe(
      'What to do when the component failed and is not restarted any more: stop the whole graph, or keep the other components. Default: stopAll.',
    ),
  delay: duration()
    .exactOptional()
    .describe(
      'The first back-off before a restart; it doubles with each failure. At least 1s, unless maxFailures is at most 5 and window longer than maxFailures seconds. Default: 500ms.',
    ),
  maxDelay: duration().exactOptional().describe('The longest back-off. Default: 30s.'),
  resetAfter: duration()
    .exactOptional()
    .describe(
      'The time a component must be ready, at least 1s, to be restarted without delay and to reset the back-off and the count of failures. Default: 30s.',
    ),
  maxFailures: integer(0, mostFailures)
    .exactOptional()
    .describe('The number of failures within the window above which it is a crash loop. Default: 5.'),
  window: duration().exactOptional().describe('The time in which failures are counted. Default: 60s.'),
};

const restart = map(restartKeys, { givenUp: 'onFailure', budget: 'maxFailures' });

const stop = map({
  signal: z
    .preprocess(
      (value) => (typeof value === 'string' && signalNames.includes(`SIG${value}`) ? `SIG${value}` : value),
      z.custom<NodeJS.Signals>((value) => signalNames.includes(String(value)), {
        error: 'expected a signal like TERM or SIGINT',
      }),
    )
    .meta({ type: 'string' })
    .exactOptional()
    .describe('The signal to the process group, with or without SIG. Default: SIGTERM.'),
  grace: duration().exactOptional().describe('The time from the signal to SIGKILL. Default: 10s.'),
});

/** The keys that only a service can have. */
const serviceKeys = ['live', 'ports'] as const;

/** The keys that only a component with a process can have, not a task with just a probe. */
const processKeys = ['stop', 'logFile'] as const;

const keys = {
  command: command
    .exactOptional()
    .describe('The program and its arguments as a list; one text only with `shell: true`.'),
  shell: bool().exactOptional().describe('Run `command`, one text, with /bin/sh. Default: false.'),
  args: list(word())
    .exactOptional()
    .describe('Arguments to append to the command, such as more flags for a built-in component.'),
  task: bool()
    .exactOptional()
    .describe(
      'Run once: ready when the command exits with 0 or, without a command, when the `ready` probe passes. Default: false.',
    ),
  enabled: bool().prefault(true).describe('`false` removes the component from the graph. Default: true.'),
  needs: list(need).exactOptional().describe('The components that must be ready before this one starts.'),
  ready: probeSchema
    .exactOptional()
    .describe('The readiness probe. Without it, the component is ready as soon as it runs.'),
  live: liveSchema
    .exactOptional()
    .describe('The liveness probe, repeated while the component runs; several failures in a row restart it.'),
  ports: list(port())
    .exactOptional()
    .describe('TCP ports the component listens on. If one is already in use, the start is refused.'),
  timeout: duration().exactOptional().describe('The time limit from start to ready. Default: 120s.'),
  env: named(/^[^=\0]+$/, 'not empty and without =', word())
    .exactOptional()
    .describe('Environment variables, added to those of the shell or, for a built-in component, to its own.'),
  envFile: oneOrMore(filled('a path'))
    .exactOptional()
    .describe(
      'Files with NAME=value lines, read at each start; relative to this config. A # after a blank begins a comment. `env` takes precedence.',
    ),
  workingDir: filled('a directory')
    .exactOptional()
    .describe('The working directory; relative to this config.'),
  user: pattern(/^[\w.-]+(:[\w.-]+)?$/, 'USER or USER:GROUP, by name or number')
    .exactOptional()
    .describe('The user, or USER:GROUP, to run as, by name or number. Default: the user of k8s-single.'),
  logFile: filled('a path')
    .exactOptional()
    .describe('The file for its output; relative to this config. Default: NAME.log in the log directory.'),
  restart: restart.exactOptional().describe('When and how often to restart the component.'),
  stop: stop.exactOptional().describe('How to stop the component.'),
};

/** A component of the user, or the changes to a built-in one. */
export const componentSchema = map(keys, { cwd: 'workingDir' }).superRefine((spec, context) => {
  const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  if (typeof spec.command === 'string' && spec.shell !== true)
    refuse('command', 'expected a list of words; for a shell command, set `shell: true`');
  if (Array.isArray(spec.command) && spec.shell === true)
    refuse('command', 'expected one text, because of `shell: true`');
  if (spec.task === true)
    for (const key of spec.command === undefined ? [...serviceKeys, ...processKeys] : serviceKeys)
      if (spec[key] !== undefined) refuse(key, `a task runs once: it cannot have "${key}"`);
  if (spec.task === true && spec.command !== undefined && spec.ready !== undefined)
    refuse('ready', 'a task runs a command or waits for a probe, not both: make them two tasks');
});

/** One component of a config. Durations are in ms. */
export type ComponentSpec = z.output<typeof componentSchema>;
