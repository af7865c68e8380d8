import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canHaveEgress, checkProxies, hasDefaultRoute, planEgress } from '../../src/host/egress.ts';
import { tempDir } from '../support/cli.ts';

const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
const link = 'up0\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0';
const byDefault = 'up0\t00000000\t026433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0';
/** As the kernel shows an unreachable one. */
const refused = '*\t00000000\t00000000\t0200\t0\t0\t-1\t00000000\t0\t0\t0';

async function machine(routes: string, resolvConf = 'nameserver ::1\nnameserver 127.0.0.53\n') {
  const dir = await tempDir('egress');
  const files = { tun: '/dev/null', routes: join(dir, 'route'), resolvConf: join(dir, 'resolv.conf') };
  await writeFile(files.routes, `${head}\n${routes}\n`);
  await writeFile(files.resolvConf, resolvConf);
  return files;
}

describe('planEgress', () => {
  it('plans pasta, with the first name server that it can ask', async () => {
    const plan = planEgress('auto', '/bin/pasta', await machine(`${link}\n${byDefault}`));
    expect(plan.egress).toEqual({ pasta: '/bin/pasta', nameServer: '127.0.0.53' });
    expect(plan.result.level).toBe('ok');
  });

  it('says that names will not be found without such a server', async () => {
    const plan = planEgress('auto', '/bin/pasta', await machine(byDefault, 'nameserver fe80::1%eth0\n'));
    expect(plan.egress?.nameServer).toBeUndefined();
    expect(plan.result.message).toContain('without name servers');
  });

  it.each([
    ['a device', async () => ({ ...(await machine(byDefault)), tun: '/dev/no-tun' }), '/bin/pasta', /no-tun/],
    ['a default route', async () => machine(`${link}\n${refused}`), '/bin/pasta', /no default route itself/],
    ['pasta', async () => machine(byDefault), undefined, /pasta is missing/],
  ])(
    'without %s: a note by default, a problem if the config asks for pasta',
    async (_, files, pasta, why) => {
      const auto = planEgress('auto', pasta, await files());
      expect(auto.egress).toBeUndefined();
      expect(auto.result).toMatchObject({ level: 'note', message: expect.stringMatching(why) as string });
      expect(planEgress('pasta', pasta, await files()).result).toMatchObject({ level: 'problem' });
    },
  );

  it('plans nothing and finds nothing missing with `none`', async () => {
    expect(planEgress('none', undefined)).toEqual({
      result: { level: 'ok', subject: 'egress', message: 'off' },
    });
    expect(canHaveEgress('none', await machine(byDefault))).toBe(false);
    expect(canHaveEgress('auto', await machine(byDefault))).toBe(true);
  });
});

it('hasDefaultRoute counts neither an unreachable route nor that of another interface', () => {
  expect(hasDefaultRoute(`${head}\n${byDefault}`)).toBe(true);
  expect(hasDefaultRoute(`${head}\n${byDefault}`, 'egress0')).toBe(false);
  expect(hasDefaultRoute(`${head}\n${link}\n${refused}`)).toBe(false);
});

describe('checkProxies', () => {
  it.each([
    [{}, undefined],
    [{ HTTPS_PROXY: 'http://proxy.example:3128', ALL_PROXY: 'socks://127.0.0.1' }, undefined],
    [{ HTTPS_PROXY: 'http://me:s3cret@127.0.0.1:3128' }, 'HTTPS_PROXY'],
    [{ http_proxy: 'localhost:3128', https_proxy: 'http://[::1]:3128' }, 'https_proxy, http_proxy'],
  ])('%j: %s', (env, names) => {
    const [result] = checkProxies(env);
    expect(result?.level).toBe(names && 'note');
    expect(result?.message.split(':')[0]).toBe(names);
    expect(JSON.stringify(result ?? {})).not.toContain('s3cret');
  });
});
