import type { Event } from '../engine/component.ts';

/** What a node for tests can be asked to be. */
export interface NodeOptions {
  /** Default: one of its own. */
  readonly name?: string;
  /** The path of a YAML config. */
  readonly config?: string;
  /** Folders with binaries, looked in before anything is installed. */
  readonly binDirs?: readonly string[];
  /** False: use the binaries that are there; install nothing. */
  readonly install?: boolean;
  /** How long the boot may take, in ms. Default: as the config says, 300 s. What is installed before does not count. */
  readonly timeoutMs?: number;
  /** A folder in which the report and the logs are kept when the node fails. */
  readonly artifacts?: string;
  /** Told what happens while it boots. */
  readonly onEvent?: (event: Event) => void;
}
