import { styleFor } from '../../observe/terminal/style.ts';
import type { Check } from '../../smoke/check.ts';
import { jsonView } from '../../smoke/output/json.ts';
import { prettyView } from '../../smoke/output/pretty.ts';
import { tapView } from '../../smoke/output/tap.ts';
import type { View } from '../../smoke/output/view.ts';

/** Machine-readable output goes to stdout, everything for people to stderr. */
export function smokeView(output: 'pretty' | 'tap' | 'json', checks: readonly Check[]): View {
  switch (output) {
    case 'tap':
      return tapView(write, checks.length);
    case 'json':
      return jsonView(write);
    case 'pretty': {
      const { stderr } = process;
      const names = checks.map(({ name }) => name);
      const inPlace = stderr.isTTY && process.env['TERM'] !== 'dumb';
      return prettyView(stderr, { names, style: styleFor(stderr), inPlace });
    }
  }
}

function write(text: string): void {
  process.stdout.write(text);
}
