import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { fingerprintMasker } from '../../observe/records/fingerprint.ts';
import { redactor } from '../../observe/records/redact.ts';
import { readBootRecord } from '../../observe/records/bootRecord.ts';
import { locateNode } from '../../instance/locateNode.ts';
import type { NodeSelector } from '../../instance/locateNode.ts';
import { reportParts } from './parts.ts';

/** A line longer than this, in characters, is cut: a report is to be sent. */
const longestLine = 10_000;

interface ReportOptions extends NodeSelector {
  readonly output?: string;
}

/**
 * `k8s-single report`: packs all that helps to find out what is wrong with a node, be it up, down or failed, and prints the
 * archive's path. Whatever goes in has gone through the redactor: no private keys, no tokens, none of the config's secrets.
 */
export async function report({ output, ...which }: ReportOptions): Promise<number> {
  const paths = await locateNode(which);
  const record = await readBootRecord(paths.data);
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const file = resolve(output ?? `k8s-single-${which.name}-${time}.tar.gz`);
  const hide = fingerprintMasker(record.secrets);
  await claim(file);
  const folder = await mkdtemp(join(tmpdir(), 'k8s-single-report-'));
  const name = basename(file).replace(/\.(tar\.gz|tgz)$/, '');
  try {
    for await (const { path, lines } of reportParts(which.name, paths, record)) {
      const place = join(folder, name, path);
      await mkdir(dirname(place), { recursive: true });
      await pipeline(redacted(lines, redactor(hide)), createWriteStream(place));
    }
    await execa('tar', ['--create', '--gzip', '--file', file, '--directory', folder, name]);
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log(file);
  return exitCodes.ok;
}

/** The file is there, for its owner alone, before anything is gathered. */
async function claim(file: string): Promise<void> {
  await writeFile(file, '', { mode: 0o600 }).catch((cause: unknown) => {
    throw new Failure('usage', `cannot write ${file}: ${reasonOf(cause)}`, {
      hint: 'elsewhere: --output',
      cause,
    });
  });
}

async function* redacted(
  lines: AsyncIterable<string> | Iterable<string>,
  redact: (line: string) => string[],
): AsyncGenerator<string, void> {
  for await (const line of lines) for (const clean of redact(line.slice(0, longestLine))) yield `${clean}\n`;
}
