import { escape } from '../../lib/text/markup.ts';

/** Markup that is safe to send: what came from elsewhere is escaped in it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Html | readonly Html[];

/** HTML or SVG as it stands, with the values escaped; what is `Html` itself goes in as it is. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(
    parts.map((part, index) => (index === 0 ? '' : show(values[index - 1] ?? '')) + part).join(''),
  );
}

function show(value: Value): string {
  if (value instanceof Html) return value.text;
  return typeof value === 'object' ? value.map(({ text }) => text).join('\n') : escape(String(value));
}
