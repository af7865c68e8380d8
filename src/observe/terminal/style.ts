import { styleText } from 'node:util';

/** The terminal styles that this program uses. */
export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'blue' | 'dim' | 'bold';
export type Style = (colour: Colour, text: string) => string;

interface Output {
  readonly isTTY?: boolean | undefined;
}

/**
 * Colours only on a terminal. A non-empty NO_COLOR (https://no-color.org) turns them off, a non-empty FORCE_COLOR
 * (https://force-color.org) on.
 */
export function styleFor(stream: Output, env: NodeJS.ProcessEnv = process.env): Style {
  return hasColour(stream, env)
    ? (colour, text) => styleText(colour, text, { validateStream: false })
    : (_colour, text) => text;
}

function hasColour(stream: Output, env: NodeJS.ProcessEnv): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}
