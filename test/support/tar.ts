import { createHash } from 'node:crypto';

/** A member of a tar archive: POSIX.1-2017, pax, "ustar Interchange Format". Nothing about it is checked: it may be hostile. */
interface Member {
  readonly name: string;
  readonly content?: Buffer | string;
  /** 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 folder, 6 pipe, x pax header, L a long name of GNU tar. */
  readonly type?: string;
  readonly link?: string;
  /** The size in the header, if not that of the content. */
  readonly size?: number;
  /** The 12 bytes of the size in the header, instead of an octal number. */
  readonly rawSize?: Buffer;
  /** Major and minor number of a device. */
  readonly device?: readonly [number, number];
}

const block = 512;

/** A member with its content, padded to whole blocks. */
export function member({ content = '', ...rest }: Member): Buffer {
  const bytes = Buffer.from(content);
  const padding = Buffer.alloc((block - (bytes.length % block)) % block);
  return Buffer.concat([header({ size: bytes.length, ...rest }), bytes, padding]);
}

/** An archive of these members. */
export function tarOf(...members: readonly Buffer[]): Buffer {
  return Buffer.concat([...members, Buffer.alloc(2 * block)]);
}

/** Just the header. */
export function header({
  name,
  type = '0',
  link = '',
  size = 0,
  rawSize,
  device = [0, 0],
}: Omit<Member, 'content'>): Buffer {
  const bytes = Buffer.alloc(block);
  const octal = (value: number, at: number, length: number): void => {
    bytes.write(value.toString(8).padStart(length - 1, '0'), at);
  };
  bytes.write(name, 0, 100);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (rawSize === undefined) octal(size, 124, 12);
  else rawSize.copy(bytes, 124, 0, 12);
  octal(0, 136, 12);
  bytes.write(type, 156);
  bytes.write(link, 157, 100);
  bytes.write('ustar\u000000', 257);
  octal(device[0], 329, 8);
  octal(device[1], 337, 8);
  bytes.write(' '.repeat(8), 148);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  octal(sum, 148, 7);
  return bytes;
}

/** A pax header for the member behind it. */
export function pax(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    // The length counts itself.
    const length = rest.length + String(rest.length + String(rest.length).length).length;
    return `${length}${rest}`;
  });
  return member({ name: 'pax', type: 'x', content: lines.join('') });
}

/** A file of nothing but a hole, in the format 1.0 of GNU tar (tar manual, "PAX Format, Version 1.0"). */
export function sparse(name: string, bytes: number): Buffer {
  const map = Buffer.alloc(block);
  map.write(`1\n${bytes}\n0\n`);
  const records = {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': name,
    'GNU.sparse.realsize': String(bytes),
  };
  return Buffer.concat([pax(records), member({ name, content: map })]);
}

interface DockerArchive {
  readonly manifest?: string;
  readonly config?: object;
  readonly diffIds?: readonly string[];
  /** Further members of the archive itself. */
  readonly more?: readonly Buffer[];
}

export const digest = (content: Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** An archive of docker save with these layers. */
export function dockerArchive(
  layers: readonly Buffer[],
  { manifest, config, diffIds, more = [] }: DockerArchive = {},
): Buffer {
  const names = layers.map((_, i) => `${i}.tar`);
  const image = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds ?? layers.map(digest) },
    ...config,
  };
  const list = [{ Config: 'config.json', RepoTags: ['localhost/hostile:1'], Layers: names }];
  return tarOf(
    member({ name: 'manifest.json', content: manifest ?? JSON.stringify(list) }),
    member({ name: 'config.json', content: JSON.stringify(image) }),
    ...layers.map((content, i) => member({ name: names[i] ?? '', content })),
    ...more,
  );
}
