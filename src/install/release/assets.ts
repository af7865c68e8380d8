import { Failure } from '../../lib/errors.ts';
import { pins } from './pins.ts';

/** An architecture that official releases are built for, by Go's name. */
export type ReleaseArch = 'amd64' | 'arm64';

/** A published file, and what it becomes in the cache. */
export interface Asset {
  /** The name in messages. */
  readonly name: string;
  readonly version: string;
  readonly arch: ReleaseArch;
  /** The publisher's host, and the path of the file there. */
  readonly host: string;
  readonly path: string;
  /** Paths of files with its checksum, on the same host: the first one that exists counts. */
  readonly checksums: readonly string[];
  /** The folder in the cache: see releaseFolder(). */
  readonly folder: string;
  /** Undefined: the file is the program `name`. Otherwise it is an archive: these files by their path in the folder. */
  readonly contents?: Readonly<Record<string, string>>;
  /** More of the archive to keep where it has them, in the same form. */
  readonly optional?: Readonly<Record<string, string>>;
}

/** The SHA-256 of the asset that ships with this program, if it is one of a default version. */
export function pinOf({ name, version, arch }: Asset): string | undefined {
  return pins[name]?.[version]?.[arch];
}

/**
 * Whether a mirror or a bundle has builds of the user's own: then the checksums there count, not those of the publishers' builds.
 */
export function hasOwnBuilds(env: NodeJS.ProcessEnv = process.env): boolean {
  return env['K8S_SINGLE_OWN_BUILDS'] === '1';
}

/**
 * The architecture of this machine, by Go's name.
 * @throws Failure `install` when official releases are not built for it.
 */
export function releaseArch(name: string = process.arch): ReleaseArch {
  const arch = { x64: 'amd64', amd64: 'amd64', arm64: 'arm64' }[name];
  if (arch === 'amd64' || arch === 'arm64') return arch;
  throw new Failure('install', `there is no official release for ${name}, only for amd64 and arm64`, {
    hint: 'give a folder with binaries for this machine with --bin-dir, or use --source debian',
  });
}
