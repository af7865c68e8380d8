import { hasOwnBuilds } from './assets.ts';
import { download } from './download.ts';
import { retried, withoutPassword } from './client.ts';
import type { PublisherClient } from './client.ts';
import type { Checksum } from './checksums.ts';

interface CopyOptions {
  readonly host: string;
  readonly path: string;
  /** The file to create. */
  readonly file: string;
  readonly algorithm: Checksum['algorithm'];
  readonly signal: AbortSignal;
  /** Called with the bytes that are there, and those there will be if that is known. */
  readonly onBytes: (received: number, total: number | undefined) => void;
  readonly onRetry: (reason: string) => void;
}

/** Where published files are read from: the publishers, a mirror, or a bundle. */
export interface Repository {
  /** In messages: `dl.k8s.io`. */
  readonly name: string;
  /** What to do when it does not have a file. */
  readonly hint: string;
  /** Whether its checksums count instead of the pinned ones. */
  readonly hasOwnBuilds: boolean;
  /** A file in messages. */
  readonly where: (host: string, path: string) => string;
  /** A small text, undefined when there is none. @throws Failure `install` */
  readonly text: (host: string, path: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Copies a file, waits until it is on disk, and resolves with its digest. @throws Failure `install` */
  readonly copy: (options: CopyOptions) => Promise<string>;
}

/** The publishers themselves, or their mirror. */
export function remoteRepository(client: PublisherClient): Repository {
  const { mirror } = client;
  return {
    name: client.name,
    hint:
      mirror === undefined
        ? 'look for a version that exists on https://kubernetes.io/releases'
        : 'a mirror has the files of each publisher in a folder of its name: MIRROR/dl.k8s.io/release/..., MIRROR/github.com/etcd-io/...',
    hasOwnBuilds: mirror !== undefined && hasOwnBuilds(),
    where: (host, path) => withoutPassword(client.urlOf(host, path)),
    text: async (host, path, signal) => {
      const url = client.urlOf(host, path);
      return await retried(client, { url, signal }, async () => client.text(url, signal));
    },
    copy: async ({ host, path, ...rest }) =>
      await download({ client, url: client.urlOf(host, path), ...rest }),
  };
}
