import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { errorCode } from '../../../probes/errorCode.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { withoutFillingDisk } from './diskGuard.ts';
import type { GuardedDisk } from './diskGuard.ts';
import { archiveOf, nameOfPlace } from './imageSource.ts';

/** Not execa, which an ordinary boot does not load. */
const execute = promisify(execFile);

/** That of the CRI plugin (constants.K8sContainerdNamespace). */
const namespace = 'k8s.io';

/** How ctr reaches containerd. */
export interface Containerd {
  /** The path of ctr, which comes with containerd. */
  readonly ctr: string;
  readonly socket: string;
  /** The whole environment. Default: PATH alone. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it keeps images: an import stops before that disk is full. Default: it does not. */
  readonly disk?: GuardedDisk;
}

interface CtrOptions {
  /** Piped to ctr's stdin. */
  readonly input?: Readable;
  readonly signal?: AbortSignal;
}

/**
 * Runs `ctr images ARGS` on the images that the kubelet uses. Rejects with the last line of ctr's stderr,
 * with the error of `input`, or with the reason of `signal`.
 */
export function ctrImages(containerd: Containerd) {
  const run = ctrOf(containerd);
  return async (args: readonly string[], options?: CtrOptions) => run(['images', ...args], options);
}

/** Runs `ctr ARGS` like {@link ctrImages}. */
export function ctrOf({ ctr, socket, env }: Containerd) {
  const common = ['--address', socket, '--namespace', namespace];
  return async (args: readonly string[], { input, signal }: CtrOptions = {}) => {
    const running = execute(ctr, [...common, ...args], {
      // ctr reads CONTAINERD_... variables.
      env: { PATH: process.env['PATH'], ...env },
      maxBuffer: 16 * 1024 * 1024,
      ...(signal && { signal }),
    });
    try {
      const [output] = await Promise.all([running, input && feed(running.child.stdin!, input)]);
      return output;
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof Failure) throw cause;
      const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : '';
      throw new Error(shortened(stderr.trim().split('\n').at(-1) || reasonOf(cause)), { cause });
    }
  };
}

/** The most characters of a reason, from its start and from its end: an archive may have names of any length and content. */
const maxReason = 300;

function shortened(reason: string): string {
  const clean = reason.replaceAll(/\p{Cc}+/gu, ' ');
  return clean.length <= 2 * maxReason ? clean : `${clean.slice(0, maxReason)} … ${clean.slice(-maxReason)}`;
}

/**
 * Ignores a pipe closed early: ctr need not read the padding of an archive, and its exit code tells a
 * failure.
 */
async function feed(stdin: Writable, input: Readable): Promise<void> {
  await pipeline(input, stdin).catch((error: unknown) => {
    if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(errorCode(error) ?? '')) throw error;
  });
}

/**
 * Imports once more if content has gone meanwhile that containerd took for its own: its garbage collection, soon after its start,
 * removes what an import has left that was killed.
 */
export async function importAgainIfCollected<Result>(attempt: () => Promise<Result>): Promise<Result> {
  return attempt().catch(async (error: unknown) => {
    if (!contentNotFound.test(reasonOf(error))) throw error;
    return attempt();
  });
}

const contentNotFound = /content digest \S+: not found/;

interface Image {
  readonly name: string;
  readonly mediaType: string;
  readonly digest: string;
  /** As ctr prints it: `712.0 KiB`. */
  readonly size: string;
  /** Whether it has CRI's label for images that stay. */
  readonly isPinned: boolean;
  /** Those of which the whole image is there: `linux/amd64`. */
  readonly platforms: readonly string[];
}

/** The images of a containerd that the kubelet uses. */
interface ImageStore {
  readonly list: () => Promise<Image[]>;
  /** Removes an image, by its full name, and the other name that CRI has given it: its id. */
  readonly remove: (name: string) => Promise<void>;
  /**
   * Imports the images of a place (see {@link archiveOf}) and resolves with their names.
   * @throws Failure `usage` if the place is no image, or none of its images has a name that a pod could use
   */
  readonly load: (place: string, signal?: AbortSignal) => Promise<string[]>;
  /**
   * Writes images, by their full names, as one archive that `load` and docker read. Ends the stream.
   * @throws Failure `usage` when a layer is not there: containerd fetches none that it has unpacked for another image, in which it
   * may be compressed differently
   */
  readonly save: (names: readonly string[], to: Writable, signal: AbortSignal) => Promise<void>;
  /** Imports the images of an archive like `load`. An image that has only a tag gets the name `<baseName>:<tag>`. */
  readonly read: (archive: Readable, baseName: string, signal?: AbortSignal) => Promise<string[]>;
}

export function imageStore(containerd: Containerd): ImageStore {
  const ctr = ctrImages(containerd);
  const list = async (): Promise<Image[]> => parseTable((await ctr(['list'])).stdout);
  const read: ImageStore['read'] = async (input, baseName, signal) => {
    const undo = await undoableImport(containerd);
    try {
      return await importAll(input, baseName, signal);
    } catch (error) {
      // The reason of the failure matters more.
      await undo().catch(() => undefined);
      throw error;
    }
  };
  const importAll = async (input: Readable, baseName: string, signal?: AbortSignal): Promise<string[]> => {
    const options = signal && { signal };
    // Not with --base-name, which drops images with a full reference in org.opencontainers.image.ref.name.
    const { stdout, stderr } = await withoutFillingDisk(containerd.disk, signal, async (inner) =>
      ctr(['import', '-'], { input, signal: inner }),
    );
    // The output contains the names; the text around them depends on the version.
    const words = new Set(`${stdout}\n${stderr}`.split(/\s+/));
    const imported = (await list()).map(({ name }) => name).filter((name) => words.has(name));
    const odd = imported.find((name) => !/^[a-z0-9][\w./:@-]*$/i.test(name));
    if (odd !== undefined)
      throw new Failure(
        'usage',
        `the name ${JSON.stringify(shortened(odd))} in the archive is not one of an image`,
      );
    const names = new Set<string>();
    for (const name of imported) {
      const full = fullName(name.replace(baseNameOfCtr, baseName));
      names.add(full);
      if (full === name) continue;
      await ctr(['tag', '--force', name, full], options);
      await ctr(['rm', name], options);
    }
    if (names.size > 0) return [...names];
    throw new Failure('usage', 'no image in the archive has a name, so no pod can use it', {
      hint: 'give it one: docker save NAME:TAG, or buildah push IMAGE docker-archive:FILE:NAME:TAG',
    });
  };
  const load: ImageStore['load'] = async (place, signal) =>
    importAgainIfCollected(async () => read(await archiveOf(place), nameOfPlace(place), signal)).catch(
      (cause: unknown) => {
        signal?.throwIfAborted();
        if (cause instanceof Failure && cause.message.startsWith(place)) throw cause;
        if (cause instanceof Failure)
          throw new Failure(cause.code, `${place}: ${cause.message}`, { hint: cause.hint ?? '', cause });
        throw new Failure('usage', `${place} cannot be imported: ${reasonOf(cause)}`, {
          hint: 'it takes archives of docker save or in OCI layout, gzipped or not, and folders in OCI layout',
          cause,
        });
      },
    );
  const remove: ImageStore['remove'] = async (name) => {
    const all = parseAll((await ctr(['list'])).stdout);
    const digest = all.find((image) => image.name === name)?.digest;
    const same = all.filter((image) => image.digest === digest);
    // Without another name nobody can use it.
    const named = same.filter((image) => image.name !== name && !hasNoTag(image));
    const names = named.length > 0 ? [name] : same.map((image) => image.name);
    await ctr(['rm', '--sync', ...names]);
  };
  const save: ImageStore['save'] = async (names, to, signal) => {
    const { ctr: file, socket, env } = containerd;
    const args = ['--address', socket, '--namespace', namespace, 'images', 'export', '-', ...names];
    const child = spawn(file, args, {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    const exited = once(child, 'exit');
    const [[code], errors] = await Promise.all([exited, text(child.stderr), pipeline(child.stdout, to)]);
    if (code === 0) return;
    const reason = errors.trim().split('\n').at(-1) || `ctr exited with code ${code}`;
    if (!contentNotFound.test(reason)) throw new Error(reason);
    throw new Failure('usage', 'a layer of the image is on the node only as a part of another image', {
      hint: 'copy it from its registry: skopeo copy docker://IMAGE docker-archive:FILE:IMAGE',
      cause: reason,
    });
  };
  return { list, remove, load, save, read };
}

/**
 * Remembers what the store has. The function that it resolves with removes what an import has left that failed or was interrupted:
 * images that cannot be unpacked, and content, which the lease of a killed ctr would keep for a day.
 */
async function undoableImport(containerd: Containerd): Promise<() => Promise<void>> {
  const ctr = ctrOf(containerd);
  const images = async (): Promise<Image[]> => parseAll((await ctr(['images', 'list'])).stdout);
  const leases = async (): Promise<string[]> =>
    (await ctr(['leases', 'list', '--quiet'])).stdout.split('\n').filter(Boolean);
  const [imagesBefore, leasesBefore] = await Promise.all([images(), leases()]);
  const digests = new Map(imagesBefore.map(({ name, digest }) => [name, digest]));
  return async () => {
    // A pinned one is of another import that has succeeded meanwhile.
    const left = (await images()).filter(
      ({ name, digest, isPinned }) => digests.get(name) !== digest && !isPinned,
    );
    if (left.length > 0) await ctr(['images', 'rm', '--', ...left.map(({ name }) => name)]);
    const others = new Set(leasesBefore);
    const [lease, ...more] = (await leases()).filter((id) => !others.has(id));
    // Of several, those of pulls that go on cannot be told apart.
    const id = lease !== undefined && more.length === 0 ? lease : `k8s-single-${randomUUID()}`;
    if (id !== lease) await ctr(['leases', 'create', '--id', id, '--expires', '1m']);
    // Starts the garbage collection, and waits for it.
    await ctr(['leases', 'rm', '--sync', id]);
  };
}

/** The base name that ctr gives to an image with only a tag: `import-2026-01-31`. */
const baseNameOfCtr = /^import-\d{4}-\d{2}-\d{2}(?=[:@])/;

/**
 * The name under which the kubelet looks for an image: with registry and tag, as Docker fills them in (distribution/reference,
 * ParseDockerRef). `app` is `docker.io/library/app:latest`.
 */
export function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const path = hasRegistry ? name : `docker.io/${rest.length > 0 ? name : `library/${name}`}`;
  return /[:@][^/]*$/.test(path) ? path : `${path}:latest`;
}

/** Parses `ctr images list`: REF TYPE DIGEST SIZE PLATFORMS LABELS. */
function parseTable(table: string): Image[] {
  // CRI also stores each image under its digest.
  return parseAll(table).filter((image) => !hasNoTag(image));
}

function hasNoTag({ name }: Image): boolean {
  return /^sha256:|@sha256:/.test(name);
}

function parseAll(table: string): Image[] {
  const rows = table.matchAll(/^(\S+)\s+(\S+)\s+(sha256:\w+)\s+([\d.]+ \w+)\s+(\S*)(.*)/gm);
  return [...rows].map(
    ([, name = '', mediaType = '', digest = '', size = '', platforms = '', labels = '']) => ({
      name,
      mediaType,
      digest,
      size,
      isPinned: labels.includes('io.cri-containerd.pinned=pinned'),
      platforms: platforms.split(',').filter((each) => each.includes('/')),
    }),
  );
}
