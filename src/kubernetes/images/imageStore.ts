import type { Readable } from 'node:stream';
import { execa, ExecaError } from 'execa';
import { Failure } from '../../lib/errors.ts';
import { archiveOf, nameOfPlace } from './imageSource.ts';

/** An image that pods can be made of. */
interface Image {
  readonly name: string;
  readonly digest: string;
  /** As ctr writes it: `712.0 KiB`. */
  readonly size: string;
}

/** The images of a containerd that the kubelet sees. */
interface ImageStore {
  readonly list: () => Promise<Image[]>;
  /** Imports the images of a place (see {@link archiveOf}) and resolves with their names. */
  readonly load: (place: string, signal?: AbortSignal) => Promise<string[]>;
  /** The same from an archive that is being read; an image that has a tag alone is called `<baseName>:<tag>`. */
  readonly read: (archive: Readable, baseName: string, signal?: AbortSignal) => Promise<string[]>;
}

interface Containerd {
  /** The path of ctr, which comes with containerd. */
  readonly ctr: string;
  readonly socket: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function imageStore({ ctr, socket, env = {} }: Containerd): ImageStore {
  // Where the CRI plugin keeps its images (constants.K8sContainerdNamespace).
  const images = ['--address', socket, '--namespace', 'k8s.io', 'images'];
  const list = async (): Promise<Image[]> => parse((await execa(ctr, [...images, 'list'], { env })).stdout);
  const read: ImageStore['read'] = async (input, baseName, signal) => {
    const args = [...images, 'import', '--base-name', baseName, '-'];
    const options = { env, input, all: true, ...(signal && { cancelSignal: signal }) } as const;
    const { all } = await execa(ctr, args, options);
    // It names them among other words, which differ from version to version.
    const said = new Set(all.split(/\s+/));
    return (await list()).map(({ name }) => name).filter((name) => said.has(name));
  };
  const load: ImageStore['load'] = async (place, signal) =>
    read(await archiveOf(place), nameOfPlace(place), signal).catch((cause: unknown) => {
      signal?.throwIfAborted();
      if (!(cause instanceof ExecaError)) throw cause;
      const reason = (cause.stderr ?? '').trim().split('\n').at(-1) || cause.originalMessage;
      throw new Failure('usage', `${place} cannot be imported: ${reason}`, {
        hint: 'it takes archives of docker save or in OCI layout, gzipped or not, and folders in OCI layout',
        cause,
      });
    });
  return { list, load, read };
}

/** The lines of `ctr images list`: REF TYPE DIGEST SIZE PLATFORMS LABELS. */
function parse(table: string): Image[] {
  const rows = table.matchAll(/^(\S+)\s+\S+\s+(sha256:\w+)\s+([\d.]+ \w+)/gm);
  const images = [...rows].map(([, name = '', digest = '', size = '']) => ({ name, digest, size }));
  // CRI keeps each image under its digest, too.
  return images.filter(({ name }) => !/^sha256:|@sha256:/.test(name));
}
