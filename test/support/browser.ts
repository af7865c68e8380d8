import { openTab } from './devtools.ts';
import type { Tab } from './devtools.ts';

/** A page in a headless browser. */
export interface Browser extends AsyncDisposable {
  open(url: string): Promise<void>;
  /** Evaluates the expression in the page; awaits and resolves with its value. */
  evaluate<T>(expression: string): Promise<T>;
  /** Resolves when the expression is true in the page; evaluates it again whenever the page changes. */
  until(expression: string): Promise<void>;
  press(key: 'Tab' | 'Enter'): Promise<void>;
  view(size: { width: number; height: number; dark?: boolean }): Promise<void>;
  /** The whole page as PNG. */
  screenshot(): Promise<Buffer>;
  /** What the browser logged: errors, violations of the Content-Security-Policy. */
  readonly errors: readonly string[];
}

interface ErrorEvent {
  readonly entry?: { readonly text: string; readonly url?: string };
  readonly exceptionDetails?: { readonly text: string };
}

export async function browser(): Promise<Browser> {
  const tab = await openTab();
  const send: Tab['send'] = async (method, params) => tab.send(method, params);
  const errors: string[] = [];
  tab.onEvent = (method, params) => {
    const { entry, exceptionDetails } = params as ErrorEvent;
    if (method === 'Log.entryAdded') errors.push([entry?.text, entry?.url].join(' '));
    if (method === 'Runtime.exceptionThrown') errors.push(exceptionDetails?.text ?? '');
  };
  for (const domain of ['Page', 'Runtime', 'Log']) await send(`${domain}.enable`);

  const evaluate = async <T>(expression: string): Promise<T> => {
    const { result, exceptionDetails } = await send<{ result: { value: T }; exceptionDetails?: object }>(
      'Runtime.evaluate',
      { expression, awaitPromise: true, returnByValue: true },
    );
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  const until = async (expression: string): Promise<void> =>
    evaluate(`new Promise((resolve) => {
      const check = () => {
        if (!(${expression})) return;
        observer.disconnect();
        resolve();
      };
      const observer = new MutationObserver(check);
      observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      check();
    })`);
  return {
    errors,
    evaluate,
    until,
    async open(url) {
      await send('Page.navigate', { url });
      const loaded = `new Promise((resolve) => addEventListener('load', resolve))`;
      await evaluate(`document.readyState === 'complete' || ${loaded}`);
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
