import type { Event } from '../../engine/component.ts';
import { criticalPath, criticalPathText } from '../diagrams/timeline.ts';
import { LiveState } from '../state/state.ts';
import type { Stage } from '../state/state.ts';
import type { ResizableTerminal } from './screen.ts';
import { styleFor } from './style.ts';
import type { Progress, View } from './view.ts';

export type OutputMode = 'auto' | 'pretty' | 'plain' | 'json';

type Stream = NodeJS.WritableStream & ResizableTerminal & { readonly isTTY?: boolean | undefined };

export interface ReporterOptions {
  /** `auto`: pretty on a terminal, otherwise plain. */
  readonly output: OutputMode;
  /** The graph, in display order. */
  readonly stages: readonly Stage[];
  /** For programs. Default: stdout of this process. */
  readonly stdout?: Stream;
  /** For people. Default: stderr of this process. */
  readonly stderr?: Stream;
  readonly env?: NodeJS.ProcessEnv;
  /** In ms since the epoch. */
  readonly now?: () => number;
  /** What elapsed times are counted from, in ms since the epoch. Default: the first event, or now in plain output. */
  readonly startedAt?: number | undefined;
}

/** Shows events as they happen. Its methods throw on no input. */
export interface Reporter {
  readonly emit: (event: Event) => void;
  readonly progress: (progress: Progress) => void;
  /** Prints lines for people, unchanged, colours included; on a terminal above the table. */
  readonly print: (text: string) => void;
  /** Draws the last frame and resolves when everything is written. Call it before the program ends. */
  readonly end: () => Promise<void>;
}

/** Machine-readable output goes to stdout, everything for people to stderr. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { stages, now = Date.now } = options;
  const names = stages.map(({ name }) => name);
  const view = await createView(names, options);
  const history: Event[] = [];
  const state = new LiveState(names, now());
  let wasReady = false;

  return {
    emit(event) {
      view.event(event, state.add(event), state.components);
      if (wasReady) return;
      history.push(event);
      if (!state.isReady) return;
      wasReady = true;
      view.ready(event.at - history[0]!.at, criticalPathText(criticalPath(stages, history)));
      history.length = 0;
    },
    progress: (progress) => view.progress(progress),
    print: (text) => view.print(text),
    end: () => view.end(),
  };
}

/** Imports only what the output mode needs. */
async function createView(names: readonly string[], options: ReporterOptions): Promise<View> {
  const { stdout = process.stdout, stderr = process.stderr, env = process.env, now = Date.now } = options;
  const { startedAt } = options;
  const style = styleFor(stderr, env);
  const mode = chooseMode(options.output, stderr, env);
  if (mode === 'pretty') {
    const { PrettyView } = await import('./pretty.ts');
    return new PrettyView(stderr, names, style, { now, startedAt });
  }
  const { plainView } = await import('./plain.ts');
  const plain = plainView(stderr, names, style, { now, startedAt });
  if (mode === 'plain') return plain;
  // JSON Lines (https://jsonlines.org) on stdout; progress and messages for people still go to stderr.
  const write = (line: object): void => void stdout.write(`${JSON.stringify(line)}\n`);
  return {
    ...plain,
    event: write,
    progress(progress) {
      write({ type: 'install', at: now(), ...progress });
      plain.progress(progress);
    },
    ready: () => undefined,
  };
}

/** A terminal that cannot move its cursor gets plain lines. */
function chooseMode(output: OutputMode, stderr: Stream, env: NodeJS.ProcessEnv): Exclude<OutputMode, 'auto'> {
  if (output !== 'auto') return output;
  return stderr.isTTY === true && env['TERM'] !== 'dumb' ? 'pretty' : 'plain';
}
