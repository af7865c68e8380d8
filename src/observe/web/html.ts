import { escape } from '../../lib/text/markup.ts';

/** Markup that is safe to send: foreign text in it is escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

/** A template of HTML or SVG. Values are escaped, except those that are `Html` already. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(
    parts.map((part, index) => (index === 0 ? '' : show(values[index - 1] ?? '')) + part).join(''),
  );
}

function show(value: Value): string {
  if (value instanceof Html) return value.text;
  return typeof value === 'object' ? value.map(({ text }) => text).join('\n') : escape(String(value));
}

/** A time of day in UTC, which the page's script converts to the reader's time zone. `at` in ms since the epoch. */
export function time(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(11, 19)} UTC</time>`;
}
