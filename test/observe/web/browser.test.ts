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

/** Runs a graph with its page: `web` waits for `database`, which is ready after `open()`. */
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

/** The label of a box in the graph. */
const box = (name: string): string => `document.querySelector('#wide-${name}').ariaLabel`;

describe('the page in a browser', () => {
  it('follows the events, keeps the focus, and shows when the node is gone', async () => {
    const { url, open, stop } = await graph('page-follows');
    await page.view({ width: 1280, height: 900 });
    await page.open(url);
    await page.until(`document.querySelector('#connection').textContent === 'live'`);
    await page.until(`${box('web')} === 'web: waiting; needs database'`);
    expect(await page.evaluate('document.title')).toBe('page-follows: waiting for database');

    await page.press('Tab');
    await page.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('wide-database');
    await open();
    await page.until(`${box('web')}.startsWith('web: ready in')`);
    await page.until(`document.title === 'page-follows: ready'`);
    expect(await page.evaluate('document.activeElement.id')).toBe('wide-database');
    expect(await page.evaluate(`document.querySelector('.events li').textContent`)).toMatch(/web\s+ready in/);

    expect(await stop()).toBe(0);
    await page.until(`document.querySelector('#connection').textContent.startsWith('Node not reachable')`);
  });

  it('opens a log with the keyboard, follows it, and shows its content as text', async () => {
    const { url, open } = await graph('page-logs');
    await open();
    await page.open(url);
    await page.until(`${box('web')}.startsWith('web: ready in')`);
    await page.evaluate(`document.querySelector('#wide-web').focus()`);
    await page.press('Enter');
    const log = `document.querySelector('#c-web .log')`;
    await page.until(`${log}.innerText.includes('red')`);
    expect(await page.evaluate(`document.activeElement.closest('details').id`)).toBe('c-web');
    expect(await page.evaluate(`[...${log}.children].map((line) => line.textContent)`)).toEqual([
      evil,
      'red',
    ]);
    expect(await page.evaluate(`document.images.length`)).toBe(0);
  });

  it('fits a phone and a desktop, in the light and the dark theme', async () => {
    const { url, open } = await graph('page-fits');
    await open();
    const layouts: unknown[] = [];
    for (const [width, dark] of [
      [1280, false],
      [390, false],
      [390, true],
    ] as const) {
      await page.view({ width, height: 844, dark });
      await page.open(url);
      await page.until(`document.title === 'page-fits: ready'`);
      layouts.push(
        await page.evaluate(`({
          scrolls: document.documentElement.scrollWidth > innerWidth,
          wide: document.querySelector('svg.graph.wide').checkVisibility(),
          narrow: document.querySelector('svg.graph.narrow').checkVisibility(),
          background: getComputedStyle(document.body).backgroundColor,
        })`),
      );
      expect((await page.screenshot()).length).toBeGreaterThan(10_000);
    }
    expect(layouts).toEqual([
      { scrolls: false, wide: true, narrow: false, background: 'rgb(246, 248, 250)' },
      { scrolls: false, wide: false, narrow: true, background: 'rgb(246, 248, 250)' },
      { scrolls: false, wide: false, narrow: true, background: 'rgb(13, 17, 23)' },
    ]);
  });

  it('runs no foreign scripts', async () => {
    const { url, open } = await graph('page-strict');
    await open();
    await page.open(url);
    await page.until(`document.title === 'page-strict: ready'`);
    // Anything refused so far is a fault of the page itself, except connections to nodes that have stopped.
    expect(
      page.errors.filter(
        (text) => !/ERR_(CONNECTION_(REFUSED|RESET)|SOCKET_NOT_CONNECTED|INCOMPLETE)/.test(text),
      ),
    ).toEqual([]);
    await page.evaluate(
      `document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = 1' }))`,
    );
    expect(await page.evaluate('document.title')).toBe('page-strict: ready');
    expect(page.errors.at(-1)).toContain("script-src 'self'");
  });
});
