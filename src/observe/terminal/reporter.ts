import type { Event } from '../../engine/component.ts';
import type { ResizableTerminal } from './pretty.ts';
import type { Progress } from './progress.ts';
import type { Stage } from '../state/stage.ts';
import { LiveState } from '../state/state.ts';
import { styleFor } from './style.ts';
import { criticalPath, criticalPathText } from '../diagrams/timeline.ts';
import type { View } from './view.ts';

export type OutputMode = 'auto' | 'pretty' | 'plain' | 'json';

type Stream = NodeJS.WritableStream & ResizableTerminal & { readonly isTTY?: boolean | undefined };

export interface ReporterOptions {
  /** `auto`: pretty on a terminal, plain elsewhere. */
  readonly output: OutputMode;
  /** The graph, in the order in which it is shown. */
  readonly stages: readonly Stage[];
  /** For programs. Default: the process's. */
  readonly stdout?: Stream;
  /** For people. Default: the process's. */
  readonly stderr?: Stream;
  readonly env?: NodeJS.ProcessEnv;
  /** In ms since the epoch. */
  readonly now?: () => number;
}

/** Shows what happens as it happens. Nothing here throws because of what it is given. */
export interface Reporter {
  readonly emit: (event: Event) => void;
  readonly progress: (progress: Progress) => void;
  /** Lines for the person who watches, as they are, colours included; above the table on a terminal. */
  readonly print: (text: string) => void;
  /** Draws the last frame and resolves when everything is written. Call it before the program ends. */
  readonly end: () => Promise<void>;
}

/** Machine-readable output goes to stdout, everything for people to stderr. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const {
    stages,
    stdout = process.stdout,
    stderr = process.stderr,
    env = process.env,
    now = Date.now,
  } = options;
  const names = stages.map(({ name }) => name);
  const view = await createView(chooseMode(options.output, stderr, env), names, { stdout, stderr, env, now });
  const history: Event[] = [];
  const state = new LiveState(names, now());
  let hasBeenReady = false;

  return {
    emit(event) {
      view.event(event, state.add(event), state.components);
      if (hasBeenReady) return;
      history.push(event);
      if (!state.isReady) return;
      hasBeenReady = true;
      view.ready(event.at - history[0]!.at, criticalPathText(criticalPath(stages, history)));
      history.length = 0;
    },
    progress: (progress) => view.progress(progress),
    print: (text) => view.print(text),
    end: () => view.end(),
  };
}

/** A terminal that cannot move its cursor gets plain lines. */
function chooseMode(output: OutputMode, stderr: Stream, env: NodeJS.ProcessEnv): Exclude<OutputMode, 'auto'> {
  if (output !== 'auto') return output;
  return stderr.isTTY === true && env['TERM'] !== 'dumb' ? 'pretty' : 'plain';
}

const modules = {
  pretty: async () => import('./pretty.ts'),
  plain: async () => import('./plain.ts'),
  json: async () => import('./json.ts'),
} as const;

/** Loads what a reporter of this mode will need, while there is nothing else to do. */
export async function loadReporter({
  output,
  stderr = process.stderr,
  env = process.env,
}: Mode): Promise<void> {
  const mode = chooseMode(output, stderr, env);
  await Promise.all([modules[mode](), mode === 'json' && modules.plain()]);
}

type Mode = Pick<ReporterOptions, 'output' | 'stderr' | 'env'>;

type Surroundings = Required<Pick<ReporterOptions, 'stdout' | 'stderr' | 'env' | 'now'>>;

/** Imports only what the mode needs. */
async function createView(
  mode: Exclude<OutputMode, 'auto'>,
  names: readonly string[],
  { stdout, stderr, env, now }: Surroundings,
): Promise<View> {
  const style = styleFor(stderr, env);
  if (mode === 'pretty') return (await modules.pretty()).prettyView(stderr, names, style, now);
  const plain = (await modules.plain()).plainView(stderr, names, style, now);
  if (mode === 'plain') return plain;
  const json = (await modules.json()).jsonView(stdout);
  return {
    ...plain,
    event: json.event,
    ready: json.ready,
    end: async () => void (await Promise.all([json.end(), plain.end()])),
  };
}
