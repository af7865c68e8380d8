import type { Event } from '../../engine/component.ts';
import type { ComponentState, State } from '../state/state.ts';

/** A slow step before the graph starts: a download, a build. */
export interface Progress {
  /** The step, which has one line: "building Kubernetes 1.20.2". */
  readonly label: string;
  /** What it is doing now: "kube-apiserver", "120 of 430 MiB". */
  readonly detail?: string | undefined;
  /** Since the step began, in ms. */
  readonly elapsedMs: number;
  /** Whether the step is complete. */
  readonly done?: boolean | undefined;
  /** How far a transfer is, in bytes: on a terminal, a bar. */
  readonly transfer?:
    | { readonly bytes: number; readonly total?: number; readonly bytesPerSecond: number }
    | undefined;
}

/** Both in ms since the epoch. */
export interface Clock {
  readonly now: () => number;
  /** What elapsed times are counted from. */
  readonly startedAt?: number | undefined;
}

/** One way to show the events of a node. */
export interface View {
  /** `before`: the component's state before the event. `now`: all states after it, the same object each time. */
  readonly event: (event: Event, before: ComponentState, now: State) => void;
  /** Everything is ready for the first time, `ms` after the boot began. */
  readonly ready: (ms: number, criticalPath: string) => void;
  readonly progress: (progress: Progress) => void;
  /** Prints lines for people, unchanged. */
  readonly print: (text: string) => void;
  /** Shows the last frame or line; resolves when everything is written. */
  readonly end: () => Promise<void>;
}
