import { describe, expect, it } from 'vitest';
import { configWithoutFile } from '../../../src/config/yaml/withoutFile.ts';
import { parseListen } from '../../../src/config/schema/listen.ts';
import { parseConfig } from '../../../src/config/yaml/parse.ts';

describe('where to listen', () => {
  it.each([
    ['127.0.0.1:9990', { host: '127.0.0.1', port: 9990 }],
    ['127.1.2.3:0', { host: '127.1.2.3', port: 0 }],
    ['localhost:65535', { host: '127.0.0.1', port: 65_535 }],
    ['[::1]:80', { host: '::1', port: 80 }],
  ])('%s is %j', (text, listen) => {
    expect(parseListen(text)).toEqual(listen);
  });

  it.each([
    '0.0.0.0:9990',
    '[::]:9990',
    '192.168.0.1:9990',
    '127.0.0.1',
    '9990',
    ':9990',
    '127.0.0.1:65536',
    '127.0.0.256:80',
    '127.evil.example:80',
  ])('%s is refused: nobody else shall reach it', async (text) => {
    expect(() => parseConfig(`listen: '${text}'`, 'c.yaml')).toThrow(
      'c.yaml:1:9: listen: expected a port on a loopback address, like 127.0.0.1:9990',
    );
    await expect(configWithoutFile({ listen: text })).rejects.toThrow('listen: expected a port');
  });

  it('is nowhere unless it is asked for', async () => {
    expect((await configWithoutFile()).node.listen).toBeUndefined();
  });
});
