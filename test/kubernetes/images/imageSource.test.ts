import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { archiveOf, nameOfPlace, unzipped } from '../../../src/kubernetes/images/imageSource.ts';
import { tempDir } from '../../support/cli.ts';

it('decompresses gzip and passes anything else through', async () => {
  const content = Buffer.from('the bytes of an archive');
  const read = async (bytes: Buffer) => buffer(await unzipped(Readable.from([bytes])));
  expect(await read(content)).toEqual(content);
  expect(await read(gzipSync(content))).toEqual(content);
  await expect(unzipped(Readable.from([]))).rejects.toThrow('the image archive is empty');
  await expect(read(Buffer.from('28b52ffd00', 'hex'))).rejects.toMatchObject({
    message: 'the image archive is compressed with zstd',
    hint: expect.stringContaining('zstd -dc FILE'),
  });
  expect(await read(Buffer.from('x'))).toEqual(Buffer.from('x'));
  await expect(read(gzipSync(content).subarray(0, 15))).rejects.toMatchObject({
    code: 'usage',
    message: 'the image archive is damaged: unexpected end of file',
  });
});

it('makes an archive of a folder in OCI layout, and refuses other folders', async () => {
  const dir = await tempDir('images');
  await mkdir(join(dir, 'app/blobs'), { recursive: true });
  await expect(archiveOf(join(dir, 'app'))).rejects.toThrow('has no file "oci-layout"');
  await writeFile(join(dir, 'app/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const archive = await archiveOf(join(dir, 'app'));
  const { stdout } = await execa('tar', ['-t'], { input: archive });
  expect(stdout.split('\n').sort()).toEqual(['./', './blobs/', './oci-layout']);
});

it('names the file it cannot read', async () => {
  await expect(archiveOf('/nowhere/app.tar')).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('cannot read the image /nowhere/app.tar: ENOENT'),
  });
  await expect(unzipped(createReadStream('/nowhere'))).rejects.toThrow('ENOENT');
});

it('derives the base name of an image from its place', () => {
  expect(
    ['/a/app.tar', 'My App.tar.gz', 'x.tgz', '/a/oci_dir', '/a/v1.2.tar', '-.tar'].map(nameOfPlace),
  ).toEqual([
    'localhost/app',
    'localhost/my-app',
    'localhost/x',
    'localhost/oci-dir',
    'localhost/v1-2',
    'localhost/image',
  ]);
});
