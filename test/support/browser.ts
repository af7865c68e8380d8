import { openTab } from './devtools.ts';
import type { Tab } from './devtools.ts';

/** A page in a headless browser. */
export interface Browser extends AsyncDisposable {
  open(url: string): Promise<void>;
  /** Resolves with what the expression gives in the page, awaited. */
  ask<T>(expression: string): Promise<T>;
  /** Resolves when the expression is true in the page; looks whenever the page changes. */
  until(expression: string): Promise<void>;
  press(key: 'Tab' | 'Enter'): Promise<void>;
  view(size: { width: number; height: number; dark?: boolean }): Promise<void>;
  /** The whole page as PNG. */
  screenshot(): Promise<Buffer>;
  /** What the browser complained about: errors, refusals of the Content-Security-Policy. */
  readonly complaints: readonly string[];
}

interface Complaint {
  readonly entry?: { readonly text: string; readonly url?: string };
  readonly exceptionDetails?: { readonly text: string };
}

export async function browser(): Promise<Browser> {
  const tab = await openTab();
  const send: Tab['send'] = async (method, params) => tab.send(method, params);
  const complaints: string[] = [];
  tab.onEvent = (method, params) => {
    const { entry, exceptionDetails } = params as Complaint;
    if (method === 'Log.entryAdded') complaints.push([entry?.text, entry?.url].join(' '));
    if (method === 'Runtime.exceptionThrown') complaints.push(exceptionDetails?.text ?? '');
  };
  for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`);

  const ask = async <T>(expression: string): Promise<T> => {
    const { result, exceptionDetails } = await send<{ result: { value: T }; exceptionDetails?: object }>(
      'Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true },
    );
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  const until = async (expression: string): Promise<void> =>
    ask(`new Promise((resolve) => {
      const look = () => {
        if (!(${expression})) return;
        observer.disconnect();
        resolve();
      };
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      look();
    })`);
  return {
    complaints,
    ask,
    until,
    async open(url) {
      await send('Page.navigate', { url });
      const loaded = `new Promise((resolve) => addEventListener('load', resolve))`;
      await ask(`document.readyState === 'complete' || ${loaded}`);
    },
    async press(key) {
      const event = { key, code: key, windowsVirtualKeyCode: { Tab: 9, Enter: 13 }[key] };
      const text = key === 'Enter' ? { text: '\r' } : {};
      await send('Input.dispatchKeyEvent', { type: 'keyDown', ...event, ...text });
      await send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    },
    async view({ width, height, dark = false }) {
      const mobile = width < 600;
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
      const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
      await send('Emulation.setEmulatedMedia', { features });
    },
    async screenshot() {
      const { data } = await send<{ data: string }>('Page.captureScreenshot', {
        captureBeyondViewport: true,
      });
      return Buffer.from(data, 'base64');
    },
    [Symbol.asyncDispose]: async () => tab[Symbol.asyncDispose](),
  };
}
