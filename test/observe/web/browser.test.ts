import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { nodePaths } from '../../../src/lib/paths.ts';
import type { NodeFile } from '../../../src/instance/nodeFile.ts';
import { browser } from '../../support/browser.ts';
import type { Browser } from '../../support/browser.ts';
import { main, tempDir } from '../../support/cli.ts';

const evil = '<img src=x onerror="document.title=1">';

/** A graph that runs, with its page: `web` waits for `database`, which is ready when the test says so. */
async function graph(name: string) {
  const dir = await tempDir('page');
  const gate = join(dir, 'gate');
  const config = {
    kubernetes: 'false',
    name,
    dataDir: join(dir, 'data'),
    components: {
      certificates: { task: 'true', command: ['true'] },
      database: { command: ['sleep', 'infinity'], needs: ['certificates'], ready: { file: gate } },
      web: {
        command: `echo '${evil}'; printf '\\033[31mred\\033[0m\\n'; exec sleep infinity`,
        shell: 'true',
        needs: ['database'],
      },
    },
  };
  const file = join(dir, 'page.yaml');
  await writeFile(file, stringify(config));
  const up = execa(
    process.execPath,
    [main, 'up', '--config', file, '--listen', '127.0.0.1:0', '--output', 'plain'],
    {
      reject: false,
      stdout: 'ignore',
    },
  );
  const stop = async (): Promise<number | undefined> => {
    up.kill('SIGTERM');
    return (await up).exitCode;
  };
  onTestFinished(async () => void (await stop()));
  for await (const line of createInterface({ input: up.stderr }))
    if (line.includes('see it in a browser')) break;
  const { url }: NodeFile = JSON.parse(await readFile(join(nodePaths(name).run, 'node.json'), 'utf8'));
  return { url: url!, open: async () => writeFile(gate, ''), stop };
}

let page: Browser;

beforeAll(async () => {
  page = await browser();
}, 600_000);

afterAll(async () => page[Symbol.asyncDispose]());

/** What a box of the graph says. */
const box = (name: string): string => `document.querySelector('#wide-${name}').ariaLabel`;

describe('the page in a browser', () => {
  it('follows what happens, keeps the focus, and says when the node is gone', async () => {
    const { url, open, stop } = await graph('page-follows');
    await page.view({ width: 1280, height: 900 });
    await page.open(url);
    await page.until(`document.querySelector('#connection').textContent === 'live'`);
    await page.until(`${box('web')} === 'web: waiting; needs database'`);
    expect(await page.ask('document.title')).toBe('page-follows: waiting for database');

    await page.press('Tab');
    await page.press('Tab');
    expect(await page.ask('document.activeElement.id')).toBe('wide-database');
    await open();
    await page.until(`${box('web')}.startsWith('web: ready in')`);
    await page.until(`document.title === 'page-follows: ready'`);
    expect(await page.ask('document.activeElement.id')).toBe('wide-database');
    expect(await page.ask(`document.querySelector('.events li').textContent`)).toMatch(/web\s+ready in/);

    expect(await stop()).toBe(0);
    await page.until(
      `document.querySelector('#connection').textContent.startsWith('The node does not answer')`,
    );
  });

  it('opens a log with the keyboard, follows it, and shows what is in it as text', async () => {
    const { url, open } = await graph('page-logs');
    await open();
    await page.open(url);
    await page.until(`${box('web')}.startsWith('web: ready in')`);
    await page.ask(`document.querySelector('#wide-web').focus()`);
    await page.press('Enter');
    const log = `document.querySelector('#c-web .log')`;
    await page.until(`${log}.innerText.includes('red')`);
    expect(await page.ask(`document.activeElement.closest('details').id`)).toBe('c-web');
    expect(await page.ask(`[...${log}.children].map((line) => line.textContent)`)).toEqual([evil, 'red']);
    expect(await page.ask(`document.images.length`)).toBe(0);
  });

  it('fits on a phone, and on a desk, by light and by dark', async () => {
    const { url, open } = await graph('page-fits');
    await open();
    const looks: unknown[] = [];
    for (const [width, dark] of [
      [1280, false],
      [390, false],
      [390, true],
    ] as const) {
      await page.view({ width, height: 844, dark });
      await page.open(url);
      await page.until(`document.title === 'page-fits: ready'`);
      looks.push(
        await page.ask(`({
          scrolls: document.documentElement.scrollWidth > innerWidth,
          wide: document.querySelector('svg.graph.wide').checkVisibility(),
          narrow: document.querySelector('svg.graph.narrow').checkVisibility(),
          ground: getComputedStyle(document.body).backgroundColor,
        })`),
      );
      expect((await page.screenshot()).length).toBeGreaterThan(10_000);
    }
    expect(looks).toEqual([
      { scrolls: false, wide: true, narrow: false, ground: 'rgb(246, 248, 250)' },
      { scrolls: false, wide: false, narrow: true, ground: 'rgb(246, 248, 250)' },
      { scrolls: false, wide: false, narrow: true, ground: 'rgb(13, 17, 23)' },
    ]);
  });

  it('runs nothing that is not its own', async () => {
    const { url, open } = await graph('page-strict');
    await open();
    await page.open(url);
    await page.until(`document.title === 'page-strict: ready'`);
    // Whatever has been refused so far is a fault of the page itself; that the node was gone in the end is not.
    expect(
      page.complaints.filter(
        (text) => !/ERR_(CONNECTION_(REFUSED|RESET)|SOCKET_NOT_CONNECTED|INCOMPLETE)/.test(text),
      ),
    ).toEqual([]);
    await page.ask(
      `document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = 1' }))`,
    );
    expect(await page.ask('document.title')).toBe('page-strict: ready');
    expect(page.complaints.at(-1)).toContain("script-src 'self'");
  });
});
