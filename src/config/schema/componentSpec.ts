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

const need = short(
  'on',
  map({
    on: filled('the name of a component'),
    condition: oneOf(['ready', 'started'])
      .default('ready')
      .describe('What this component waits for: that that one is ready, or only that it has been started.'),
    whenLost: oneOf(['keep', 'restart', 'stop'])
      .default('keep')
      .describe('What this component does when that one is lost while both run.'),
  }),
);

const command = z
  .union([z.string(), z.array(word())], {
    error: 'expected a list of words: the program and its arguments',
  })
  .refine((words) => words.length > 0 && words[0] !== '', { error: 'the command is empty' });

const restartKeys = {
  when: oneOf(['always', 'never']).exactOptional(),
  onFailure: oneOf(['stopAll', 'keepOthers'])
    .exactOptional()
    .describe('When it will not be restarted any more: stop the whole graph, or keep the other components.'),
  delay: duration().exactOptional().describe('The first back-off; it doubles each time. Default: 500ms.'),
  maxDelay: duration().exactOptional().describe('The longest back-off. Default: 30s.'),
  resetAfter: duration()
    .exactOptional()
    .describe('Ready for so long, it is restarted at once. Default: 30s.'),
  maxFailures: integer(0, 1000)
    .exactOptional()
    .describe('More failures than this within the window are a crash loop. Default: 5.'),
  window: duration().exactOptional().describe('Default: 60s.'),
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
    .describe('Sent to the process group. Default: SIGTERM.'),
  grace: duration().exactOptional().describe('From the signal to SIGKILL. Default: 10s.'),
});

/** The keys that mean something to a process that is kept running, and nothing to a step that ends. */
const serviceOnly = ['live', 'ports'] as const;

/** The keys that mean something to a process, and nothing to a step that is but a look. */
const processOnly = ['stop', 'logFile'] as const;

const shape = map({
  command: command
    .exactOptional()
    .describe('The program and its arguments, as a list; a text only with `shell: true`.'),
  shell: bool().exactOptional().describe('`command` is one text, run by /bin/sh.'),
  args: list(word())
    .exactOptional()
    .describe('Appended to the command: further flags for a built-in component.'),
  task: bool()
    .exactOptional()
    .describe(
      'A step that is done once: ready when its command exits with 0, or when its `ready` probe passes.',
    ),
  enabled: bool().prefault(true).describe('`false` takes the component out of the graph.'),
  needs: list(need).exactOptional().describe('What must be ready before this one can usefully start.'),
  ready: probeSchema.exactOptional().describe('Ready when this passes; without it, as soon as it runs.'),
  live: liveSchema
    .exactOptional()
    .describe('Looked at while it runs; several misses in a row and it is restarted.'),
  ports: list(port())
    .exactOptional()
    .describe('TCP ports it will listen on: refused when somebody has them already.'),
  timeout: duration().exactOptional().describe('From start to ready. Default: 120s.'),
  env: named(/^[^=\0]+$/, 'a name without =', word())
    .exactOptional()
    .describe('Added to the environment.'),
  envFile: oneOrMore(filled('a path'))
    .exactOptional()
    .describe('Files of NAME=value lines, read at each start; relative to this config.'),
  cwd: filled('a folder').exactOptional().describe('The folder it runs in; relative to this config.'),
  user: pattern(/^[\w.-]+(:[\w.-]+)?$/, 'USER or USER:GROUP, by name or number')
    .exactOptional()
    .describe('Run as this user.'),
  logFile: filled('a path')
    .exactOptional()
    .describe('Where its output goes; relative to this config. Default: NAME.log in the log folder.'),
  restart: restart.exactOptional(),
  stop: stop.exactOptional(),
});

/** One component of the graph, or what to change in a built-in one. */
export const componentSchema = shape.superRefine((spec, context) => {
  const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
  if (typeof spec.command === 'string' && spec.shell !== true)
    refuse('command', 'expected a list of words; for a shell command, set `shell: true`');
  if (Array.isArray(spec.command) && spec.shell === true)
    refuse('command', 'expected one text, because of `shell: true`');
  if (spec.task === true)
    for (const key of spec.command === undefined ? [...serviceOnly, ...processOnly] : serviceOnly)
      if (spec[key] !== undefined) refuse(key, `a task is done once: it has no "${key}"`);
  if (spec.task === true && spec.command !== undefined && spec.ready !== undefined)
    refuse('ready', 'a task runs a command or waits for a probe, not both: make them two tasks');
});

/** What a config says of one component. Durations are in ms. */
export type ComponentSpec = z.output<typeof componentSchema>;
