import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageStore } from '../../../src/kubernetes/images/imageStore.ts';
import { startContainerd } from '../../support/containerd.ts';
import { ociLayout } from '../../support/ociLayout.ts';
import { digest, dockerArchive, header, member, pax, sparse, tarOf } from '../../support/tar.ts';

const mib = 2 ** 20;
const tib = 2 ** 40;

/** The disk of containerd: a small one, so that a test that fails fills no other. */
const diskBytes = 400 * mib;

let dir = '';
let disk = '';
/** What no archive may reach. Its path has few characters, to fit into the header of a link. */
let outside = '';
let containerd: Awaited<ReturnType<typeof startContainerd>>;

beforeAll(async () => {
  dir = await mkdtemp('/var/tmp/k8s-single-hostile-');
  [disk, outside] = [join(dir, 'disk'), join(dir, 'out')];
  for (const folder of [disk, outside]) await mkdir(folder);
  await writeFile(join(outside, 'kept'), 'kept');
  await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', `size=${diskBytes}`, 'hostile', disk]);
  containerd = await startContainerd(disk);
});

afterAll(async () => {
  await containerd.stop();
  await execa('umount', ['--no-mtab', disk]);
  await rm(dir, { recursive: true });
});

const ctr = async (...args: string[]): Promise<string[]> =>
  (await execa(containerd.ctr, ['--address', containerd.socket, '--namespace', 'k8s.io', ...args])).stdout
    .split('\n')
    .filter(Boolean);

/** Everything that takes space in containerd. The lists of snapshots and leases have a heading. */
async function stored(): Promise<object> {
  return {
    images: await ctr('images', 'list', '--quiet'),
    content: await ctr('content', 'list', '--quiet'),
    unfinished: (await ctr('content', 'active')).slice(1),
    snapshots: (await ctr('snapshots', 'list')).slice(1),
    leases: await ctr('leases', 'list', '--quiet'),
  };
}
const nothing = { images: [], content: [], unfinished: [], snapshots: [], leases: [] };

/** Resolves with the names of the images that were loaded, or the failure. Neither may leave anything outside of containerd. */
async function load(
  content: Buffer | string,
  signal?: AbortSignal,
): Promise<readonly string[] | { code: string; message: string }> {
  const place = typeof content === 'string' ? content : join(dir, 'a.tar');
  if (typeof content !== 'string') await writeFile(place, content);
  const { ctr: program, socket } = containerd;
  const store = imageStore({ ctr: program, socket, disk: { folder: disk } });
  const rssBefore = process.resourceUsage().maxRSS;
  try {
    const names = await store.load(place, signal);
    for (const name of names) await store.remove(name);
    return names;
  } catch (error) {
    signal?.throwIfAborted();
    const { code, message } = error as { code: string; message: string };
    return { code, message: message.replace(place, 'PLACE') };
  } finally {
    expect(process.resourceUsage().maxRSS - rssBefore).toBeLessThan(100 * 1024);
    expect(await readdir(outside)).toEqual(['kept']);
    expect(await readFile(join(outside, 'kept'), 'utf8')).toBe('kept');
    expect(await stored()).toEqual(nothing);
  }
}

const file = (name: string): Buffer => member({ name, content: 'hostile' });
const link = (name: string, to: string): Buffer => member({ name, type: '2', link: to });
const hardLink = (name: string, to: string): Buffer => member({ name, type: '1', link: to });
const layer = (...members: Buffer[]): Buffer => dockerArchive([tarOf(...members)]);
const named = (manifest: object): Buffer =>
  dockerArchive([tarOf(file('a'))], {
    manifest: JSON.stringify([
      { Config: 'config.json', RepoTags: ['localhost/hostile:1'], Layers: ['0.tar'], ...manifest },
    ]),
  });
const up = '../'.repeat(30);
const longName = member({ name: 'x', type: 'L', content: 'a'.repeat(65_536) });
const negative = Buffer.alloc(12, 0xff);
/** 2^62, in base 256: GNU tar manual, "Basic Tar Format". */
const huge = Buffer.from('800000004000000000000000', 'hex');

describe('an image whose archive is hostile, but harmless, is loaded into the folders of containerd', () => {
  it.each<[string, () => Buffer]>([
    ['a layer with a name above its root', () => layer(file(`${up}${outside}/new`))],
    ['a layer with an absolute name', () => layer(file(`${outside}/new`))],
    ['a layer that writes through a symbolic link', () => layer(link('l', outside), file('l/new'))],
    ['a layer that writes through a relative link', () => layer(link('l', `.${outside}`), file('l/new'))],
    ['a layer that deletes through a symbolic link', () => layer(link('l', outside), file('l/.wh.kept'))],
    ['a layer that hides a folder by a link', () => layer(link('l', outside), file('l/.wh..wh..opq'))],
    [
      'a layer that writes through a link of another',
      () => dockerArchive([tarOf(link('l', outside)), tarOf(file('l/new'), file('l/.wh.kept'))]),
    ],
    [
      'a layer with devices and pipes',
      () =>
        layer(
          member({ name: 'sda', type: '4', device: [8, 0] }),
          member({ name: 'mem', type: '3', device: [1, 1] }),
          member({ name: 'pipe', type: '6' }),
        ),
    ],
    [
      'a layer with a name twice, once a link',
      () => layer(file('a'), link('a', `${outside}/kept`), file('a')),
    ],
    [
      'an archive with names above its root',
      () =>
        dockerArchive([tarOf(file('a'))], { more: [file(`${up}${outside}/new`), file(`${outside}/new`)] }),
    ],
    [
      'an archive with hard links, devices and pipes',
      () =>
        dockerArchive([tarOf(file('a'))], {
          more: [
            hardLink('h', `${outside}/kept`),
            member({ name: 'sda', type: '4', device: [8, 0] }),
            member({ name: 'pipe', type: '6' }),
          ],
        }),
    ],
  ])('%s', async (_what, content) => {
    expect(await load(content())).toEqual(['localhost/hostile:1']);
  });
});

describe('an archive is refused with the reason, and leaves nothing:', () => {
  it.each<[string, () => Buffer, RegExp]>([
    [
      'a layer with a hard link out of it',
      () => layer(hardLink('h', `${outside}/kept`)),
      /no such file or directory/,
    ],
    [
      'a hard link through a symbolic one',
      () => layer(link('l', outside), hardLink('h', 'l/kept')),
      /no such file or directory/,
    ],
    ['a layer that deletes its parent', () => layer(file('.wh...')), /invalid whiteout name/],
    [
      'a layer with a member of unknown type',
      () => layer(member({ name: 'x', type: 'Z' })),
      /unhandled tar header type/,
    ],
    ['a layer with a file below a file', () => layer(file('a'), file('a/b')), /not a directory/],
    ['a layer with a name of 64 KiB', () => layer(longName, file('x')), /file name too long/],
    [
      'a layer with a negative size in pax',
      () => layer(pax({ size: '-5' }), file('x')),
      /invalid tar header/,
    ],
    [
      'a layer with an enormous size in pax',
      () => layer(pax({ size: '9'.repeat(30) }), file('x')),
      /invalid tar header/,
    ],
    [
      'a layer whose pax is no record',
      () => layer(member({ name: 'p', type: 'x', content: '999999 a' })),
      /invalid tar header/,
    ],
    [
      'a layer with a negative size',
      () => layer(header({ name: 'x', rawSize: negative })),
      /invalid tar header/,
    ],
    ['a layer with a size of 2^62', () => layer(header({ name: 'x', rawSize: huge })), /unexpected EOF/],
    ['a layer that is cut off', () => dockerArchive([header({ name: 'x', size: 5000 })]), /unexpected EOF/],
    ['a layer that is no archive', () => dockerArchive([Buffer.alloc(5000, 'x')]), /invalid tar header/],
    [
      'a digest that does not match',
      () => dockerArchive([tarOf(file('a'))], { diffIds: [digest(Buffer.alloc(0))] }),
      /wrong diff id/,
    ],
    [
      'a digest that is none',
      () => dockerArchive([tarOf(file('a'))], { diffIds: ['../x'] }),
      /wrong diff id/,
    ],
    [
      'fewer digests than layers',
      () => dockerArchive([tarOf(file('a'))], { diffIds: [] }),
      /mismatched image rootfs/,
    ],
    [
      'a config without layers',
      () => dockerArchive([tarOf(file('a'))], { config: { rootfs: null } }),
      /mismatched image rootfs/,
    ],
    ['a layer above the archive', () => named({ Layers: [`${up}etc/passwd`] }), /layer .* not found/],
    [
      'a config outside of the archive',
      () => named({ Config: '/etc/passwd' }),
      /config "\/etc\/passwd" not found/,
    ],
    [
      'a layer that is a link out of the archive',
      () =>
        dockerArchive([], {
          manifest: JSON.stringify([
            { Config: 'config.json', RepoTags: ['localhost/hostile:1'], Layers: ['l'] },
          ]),
          more: [link('l', '/etc/passwd')],
        }),
      /no target for symlink/,
    ],
    [
      'links in a circle',
      () =>
        dockerArchive([], {
          manifest: JSON.stringify([
            { Config: 'config.json', RepoTags: ['localhost/hostile:1'], Layers: ['l'] },
          ]),
          more: [link('l', 'm'), link('m', 'l')],
        }),
      /no target for symlink/,
    ],
    ['a name above the registry', () => named({ RepoTags: ['../../x:1'] }), /invalid reference format/],
    [
      'a name with control characters',
      () => named({ RepoTags: ['localhost/\u001B[31m:1'] }),
      /invalid reference format/,
    ],
    [
      'a manifest that is no list',
      () => dockerArchive([tarOf(file('a'))], { manifest: '{}' }),
      /cannot unmarshal/,
    ],
    [
      'a manifest of a million brackets',
      () => dockerArchive([tarOf(file('a'))], { manifest: '['.repeat(1e6) }),
      /exceeded max depth/,
    ],
    [
      'a manifest of 100 MB',
      () => dockerArchive([tarOf(file('a'))], { manifest: `[${' '.repeat(1e8)}]` }),
      /unexpected EOF/,
    ],
    [
      'a link out of the archive',
      () => dockerArchive([tarOf(file('a'))], { more: [link('l', `${outside}/kept`)] }),
      /no target for symlink/,
    ],
    [
      'a second manifest',
      () => dockerArchive([tarOf(file('a'))], { more: [member({ name: 'manifest.json', content: '[]' })] }),
      /image might be filtered out/,
    ],
    ['a negative size', () => tarOf(header({ name: 'x', rawSize: negative })), /invalid tar header/],
    ['a size of 2^62', () => tarOf(header({ name: 'x', rawSize: huge })), /unexpected EOF/],
    [
      'a size that is no octal number',
      () => tarOf(header({ name: 'x', rawSize: Buffer.from('99999999999\0') })),
      /invalid tar header/,
    ],
    [
      'a name of a gigabyte',
      () => tarOf(header({ name: 'x', type: 'L', size: 2 ** 30 }), Buffer.alloc(2 * mib)),
      /header field too long/,
    ],
    [
      'an archive that is cut off',
      () => layer(member({ name: 'x', content: Buffer.alloc(5 * mib) })).subarray(0, 2 * mib),
      /unexpected EOF/,
    ],
  ])('%s', async (_what, content, reason) => {
    const outcome = await load(content());
    expect(outcome).toEqual({ code: 'usage', message: expect.stringMatching(reason) });
    const { message } = outcome as { message: string };
    expect(message).toMatch(/^PLACE cannot be imported: /);
    // It may have names of the archive.
    expect(message.length).toBeLessThan(1000);
    expect(message).not.toMatch(/\p{Cc}/u);
  });

  it('an image with a name for the terminal of who loads it', async () => {
    const layout = await ociLayout(join(dir, 'odd'));
    const name = 'localhost/\u001B[31mred:1';
    await layout.finish([
      { ...(await layout.image('x')), annotations: { 'io.containerd.image.name': name } },
    ]);
    expect(await load(layout.dir)).toEqual({
      code: 'usage',
      message: String.raw`PLACE: the name "localhost/ [31mred:1" in the archive is not one of an image`,
    });
  });
});

/** An image with a gzipped layer of zeros, a thousandth of its size, whose digest is wrong. */
function bomb(bytes: number): Buffer {
  const part = Buffer.alloc(64 * mib);
  const zipped = gzipSync(part);
  const parts = Array.from({ length: bytes / part.length }, () => zipped);
  const packed = [gzipSync(header({ name: 'zeros', size: bytes })), ...parts, gzipSync(Buffer.alloc(1024))];
  return dockerArchive([Buffer.concat(packed)], { diffIds: [digest(Buffer.alloc(0))] });
}

describe('what would fill the disk', { timeout: 120_000 }, () => {
  const full = {
    code: 'preflight',
    message: expect.stringMatching(/^PLACE: no room: .* were free for .*, of which .* must stay free$/),
  };

  it.each<[string, () => Buffer]>([
    ['a sparse file of a terabyte in a layer', () => layer(sparse('hole', tib))],
    [
      'a sparse file of a terabyte in the archive',
      () => dockerArchive([tarOf(file('a'))], { more: [sparse('hole', tib)] }),
    ],
    ['a gzipped layer', () => bomb(512 * mib)],
    [
      'a gzipped archive',
      () => {
        const part = gzipSync(Buffer.alloc(64 * mib));
        return Buffer.concat([
          gzipSync(header({ name: 'x', size: 512 * mib })),
          ...Array.from({ length: 8 }, () => part),
        ]);
      },
    ],
  ])('is stopped before it does, and gives the space back: %s', async (_what, content) => {
    expect(await load(content())).toEqual(full);
  });

  it('is stopped: a sparse file in a folder in OCI layout', async () => {
    const layout = await ociLayout(join(dir, 'sparse'));
    await layout.finish([await layout.image('x')]);
    await (await open(join(layout.dir, 'hole'), 'w')).close();
    await truncate(join(layout.dir, 'hole'), tib);
    expect(await load(layout.dir)).toEqual(full);
  });

  it('gives the space back when the digest is wrong, or who loads it interrupts', async () => {
    const content = bomb(128 * mib);
    expect(await load(content)).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('wrong diff id'),
    });
    const snapshots = join(disk, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots');
    const interrupt = new AbortController();
    const loading = load(content, interrupt.signal);
    await expect.poll(() => existsSync(snapshots), { timeout: 20_000 }).toBe(true);
    await expect
      .poll(async () => (await readdir(snapshots)).length, { timeout: 20_000, interval: 5 })
      .toBeGreaterThan(0);
    interrupt.abort(new Error('interrupted'));
    await expect(loading).rejects.toThrow('interrupted');
    expect(await stored()).toEqual(nothing);
  });
});
