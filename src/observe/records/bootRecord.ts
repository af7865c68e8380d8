import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at, parseJson } from '../../../probes/transport/json.ts';
import type { Component, Event } from '../../engine/component.ts';
import type { Config } from '../../config/config.ts';
import { secretsInFiles, secretValues } from '../../config/secrets.ts';
import { maskedConfig } from '../../config/show.ts';
import { writeFileAtomically, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { fingerprint } from './fingerprint.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { Stage } from '../state/state.ts';
import { version } from '../../lib/version.ts';

/** The record of a node's last run: `boot.json` in its data folder. */
export interface BootRecord {
  readonly version: 1;
  readonly k8sSingle: string;
  /** With defaults filled in and secrets masked. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The versions of the node's binaries, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Fingerprints of the config's secrets, to find them in logs without storing them. */
  readonly secrets: Fingerprints;
  readonly stages: readonly Stage[];
  /** The events of the boot and the last ones after it. Empty when the supervisor was killed before the boot ended. */
  readonly events: readonly Event[];
}

function bootFile(dataDir: string): string {
  return join(dataDir, 'boot.json');
}

/** Writes the record again, with the events so far. */
export type SaveBoot = (events: readonly Event[]) => Promise<void>;

/** Writes the record of a new run, without events; resolves with a function that adds them. */
export async function recordBoot(
  dataDir: string,
  components: readonly Component[],
  { config, versions = {} }: { config: Config; versions?: Readonly<Record<string, string>> },
): Promise<SaveBoot> {
  const base: Omit<BootRecord, 'events'> = {
    version: 1,
    k8sSingle: version(),
    config: maskedConfig(config),
    versions,
    secrets: fingerprint([...secretValues(config), ...(await secretsInFiles(config))]),
    stages: components.map(({ name, needs }) => ({ name, needs })),
  };
  let last: Promise<void> = Promise.resolve();
  const text = (events: readonly Event[]): string => `${JSON.stringify({ ...base, events })}\n`;
  const write = async (events: readonly Event[]): Promise<void> =>
    writeFileAtomically(bootFile(dataDir), text(events), { mode: 0o600 });
  // One at a time: the boot and the node may end at the same moment.
  const save = async (events: readonly Event[]): Promise<void> =>
    (last = last.catch(() => undefined).then(async () => write(events)));
  // Synchronous, which is faster: the first components wait for it.
  writeFileAtomicallySync(bootFile(dataDir), text([]), { mode: 0o600 });
  return save;
}

/** @throws Failure `notReady` when no node has used this data folder. */
export async function readBootRecord(dataDir: string): Promise<BootRecord> {
  const text = await readFile(bootFile(dataDir), 'utf8').catch((cause: unknown) => {
    throw new Failure('notReady', `no record of a node in ${dataDir}`, {
      hint: 'has it been started? If its data is in another folder, add --data-dir',
      cause,
    });
  });
  const record = parseJson(text);
  if (at(record, 'version') !== 1 || !Array.isArray(at(record, 'stages'))) {
    throw new Failure('notReady', `${bootFile(dataDir)} is damaged: it is no record of a boot`, {
      hint: 'remove it: the next start writes a new one',
    });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it, atomically
  return record as BootRecord;
}
