import { renameSync, writeFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component, Event } from '../../engine/component.ts';
import type { Config } from '../../config/config.ts';
import { secretsInFiles, secretValues } from '../../config/yaml/secrets.ts';
import { resolved } from '../../config/yaml/show.ts';
import { Failure } from '../../lib/errors.ts';
import { fingerprint } from './fingerprint.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { Stage } from '../state/stage.ts';
import { version } from '../../lib/version.ts';

/** What is known of a node's last run when it is gone: `boot.json` in its data folder. */
export interface BootRecord {
  readonly version: 1;
  readonly k8sSingle: string;
  /** With defaults filled in and secrets masked. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Of the node's binaries, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** By which the secrets of the config can be found in the logs, without being written down. */
  readonly secrets: Fingerprints;
  readonly stages: readonly Stage[];
  /** The whole boot, and the last of what came after. Empty when the supervisor was killed before the boot ended. */
  readonly events: readonly Event[];
}

const fileIn = (dataDir: string): string => join(dataDir, 'boot.json');

/** Writes the record again, with what happened so far. */
export type SaveBoot = (events: readonly Event[]) => Promise<void>;

/** Writes the record of a run that begins; the function that it resolves with writes it again with what happened. */
export async function recordBoot(
  dataDir: string,
  components: readonly Component[],
  { config, versions = {} }: { config: Config; versions?: Readonly<Record<string, string>> },
): Promise<SaveBoot> {
  const about: Omit<BootRecord, 'events'> = {
    version: 1,
    k8sSingle: version(),
    config: resolved(config),
    versions,
    secrets: fingerprint([...secretValues(config), ...(await secretsInFiles(config))]),
    stages: components.map(({ name, needs }) => ({ name, needs })),
  };
  let last: Promise<void> = Promise.resolve();
  const fresh = `${fileIn(dataDir)}.new`;
  const text = (events: readonly Event[]): string => `${JSON.stringify({ ...about, events })}\n`;
  const write = async (events: readonly Event[]): Promise<void> => {
    await writeFile(fresh, text(events), { mode: 0o600 });
    await rename(fresh, fileIn(dataDir));
  };
  // One after the other: the boot's end and the node's may be the same moment.
  const save = async (events: readonly Event[]): Promise<void> =>
    (last = last.catch(() => undefined).then(async () => write(events)));
  // The first components wait for this one.
  writeFileSync(fresh, text([]), { mode: 0o600 });
  renameSync(fresh, fileIn(dataDir));
  return save;
}

/** @throws Failure `notReady` when no node has run with this data folder. */
export async function readBootRecord(dataDir: string): Promise<BootRecord> {
  const text = await readFile(fileIn(dataDir), 'utf8').catch((cause: unknown) => {
    throw new Failure('notReady', `there is nothing of a node in ${dataDir}`, {
      hint: 'has it been up? Where its data is, when it is not where it usually is: --data-dir',
      cause,
    });
  });
  const record: BootRecord = JSON.parse(text);
  return record;
}
