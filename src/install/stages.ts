/** Where a long piece of work is. */
export interface Progress {
  /** The stage. */
  readonly label: string;
  /** What it is doing right now; undefined when a stage begins or ends. */
  readonly detail?: string;
  /** The stage's number, from 1. */
  readonly step: number;
  readonly steps: number;
  /** Since the stage began, in ms. */
  readonly elapsedMs: number;
  /** The last word on this stage. */
  readonly done?: boolean;
}

export type OnProgress = (progress: Progress) => void;

/** Says what is being done right now. */
export type Report = (detail: string) => void;

export interface InstallStep {
  readonly label: string;
  readonly work: (report: Report) => Promise<void>;
}

/** Does one stage after the other, and tells where it is. */
export async function runSteps(
  stages: readonly InstallStep[],
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  for (const [i, { label, work }] of stages.entries()) {
    signal.throwIfAborted();
    const tell = progressReporter(label, onProgress, i + 1, stages.length);
    tell({});
    await work((detail) => tell({ detail }));
    tell({ done: true });
  }
}

/** Adds the stage and its elapsed time, from now on, to what is told. */
export function progressReporter(label: string, onProgress: OnProgress, step = 1, steps = 1) {
  const began = performance.now();
  return (what: Pick<Progress, 'detail' | 'done'>): void =>
    onProgress({ label, ...what, step, steps, elapsedMs: Math.round(performance.now() - began) });
}
