import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { exitCodes, Failure, reasonOf } from '../../lib/errors.ts';
import { assertReplaceable } from '../../lib/outputFile.ts';
import { tempDir } from '../../lib/paths.ts';
import { fingerprintMasker } from '../../observe/records/fingerprint.ts';
import { redactor } from '../../observe/records/redact.ts';
import { readBootRecord } from '../../observe/records/bootRecord.ts';
import { locateNode } from '../../instance/locateNode.ts';
import type { NodeSelector } from '../../instance/locateNode.ts';
import { reportFiles } from './files.ts';

/** Cut longer lines, in characters, to keep the report small. */
const maxLineLength = 10_000;

interface ReportOptions extends NodeSelector {
  readonly output?: string;
}

/**
 * `k8s-single report`: packs everything that helps to diagnose a node, be it up, down or failed, and prints the path of the
 * archive. Each line goes through the redactor: no private keys, no tokens, no secrets of the config.
 */
export async function report({ output, ...node }: ReportOptions): Promise<number> {
  const paths = await locateNode(node);
  const record = await readBootRecord(paths.data);
  const time = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const file = resolve(output ?? `k8s-single-${node.name}-${time}.tar.gz`);
  const mask = fingerprintMasker(record.secrets);
  const archive = await createArchive(file);
  const folder = await mkdtemp(join(tempDir(), 'k8s-single-report-'));
  const name = basename(file).replace(/\.(tar\.gz|tgz)$/, '');
  try {
    for await (const { path, lines } of reportFiles(node.name, paths, record)) {
      const target = join(folder, name, path);
      await mkdir(dirname(target), { recursive: true });
      await pipeline(redacted(lines, redactor(mask)), createWriteStream(target));
    }
    await execa('tar', ['--create', '--gzip', '--file', archive, '--directory', folder, name]);
    await rename(archive, file);
  } catch (error) {
    await rm(archive, { force: true });
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log(file);
  return exitCodes.ok;
}

/**
 * Creates a file beside `file` before anything is gathered, readable only for its owner, and resolves with its path. By a rename
 * it takes the place of a file or a link, and never writes into a file that somebody else has made there, as in /tmp.
 */
async function createArchive(file: string): Promise<string> {
  assertReplaceable(file);
  const archive = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(archive, '', { mode: 0o600, flag: 'wx' });
    return archive;
  } catch (cause) {
    throw new Failure('usage', `cannot write ${file}: ${reasonOf(cause)}`, {
      hint: 'write it to another place with --output',
      cause,
    });
  }
}

async function* redacted(
  lines: AsyncIterable<string> | Iterable<string>,
  redact: (line: string) => string[],
): AsyncGenerator<string, void> {
  for await (const line of lines)
    for (const clean of redact(line.slice(0, maxLineLength))) yield `${clean}\n`;
}
