import { readdirSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rotate } from './rotate.ts';
import type { RotateOptions } from './rotate.ts';
import { tick } from '../terminal/ticker.ts';

/** How often the logs are looked at, in ms: what is written in between can make a log longer than its cap. */
const lookEveryMs = 2000;

export interface RotationOptions extends RotateOptions {
  /** Told once per reason when a log cannot be rotated; the logs grow meanwhile, and nothing else suffers. */
  readonly onError: (error: unknown) => void;
}

/** Keeps every `*.log` in the folder within its cap until disposed of. */
export function keepRotated(folder: string, { onError, ...options }: RotationOptions): AsyncDisposable {
  const told = new Set<string>();
  let looking = removeUnfinished(folder).catch(onError);
  let busy = false;
  const look = async (): Promise<void> => {
    // Nearly always that is all, every two seconds: waiting for a thread to do it would cost ten times as much.
    const files = readdirSync(folder).filter((each) => each.endsWith('.log'));
    const paths = files.map((file) => join(folder, file));
    for (const path of paths.filter((each) => sizeOf(each) > options.maxBytes)) await rotate(path, options);
  };
  const ticker = tick(
    () => {
      if (busy) return;
      busy = true;
      looking = look()
        .catch((error: unknown) => {
          if (!told.has(String(error))) onError(error);
          told.add(String(error));
        })
        .finally(() => {
          busy = false;
        });
    },
    { periodMs: lookEveryMs },
  );
  return {
    async [Symbol.asyncDispose]() {
      ticker[Symbol.dispose]();
      await looking;
    },
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What a rotation that was cut off has left; whoever follows the log takes it for one under way. */
async function removeUnfinished(folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.log.rotating'));
  for (const file of files) await rm(join(folder, file), { force: true });
}
