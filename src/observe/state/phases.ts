import type { Colour } from '../terminal/style.ts';
import type { Phase } from './state.ts';

type LightDark = readonly [light: string, dark: string];

/** How a phase is drawn. */
interface PhaseStyle {
  /** In a terminal. */
  readonly colour: Colour;
  /** In the boot view. Empty: a spinner. */
  readonly mark: string;
  /** One cell of the timeline in text. */
  readonly bar: string;
  /** A bar of the timeline in SVG. */
  readonly fill: LightDark;
  /** Icons and outlines on the web page, with a contrast of at least 4.5 to the background. */
  readonly ink: LightDark;
}

const grey: LightDark = ['#59636e', '#9198a1'];

/** The colours and marks of all phases, for terminal, SVG and web page. */
export const phaseStyles: Readonly<Record<Phase, PhaseStyle>> = {
  waiting: { colour: 'dim', mark: '·', bar: '·', fill: ['#8c959f', '#6e7681'], ink: grey },
  starting: {
    colour: 'cyan',
    mark: '',
    bar: '█',
    fill: ['#54aeff', '#1f6feb'],
    ink: ['#0969da', '#58a6ff'],
  },
  ready: {
    colour: 'green',
    mark: '✓',
    bar: '─',
    fill: ['#4ac26b', '#2ea043'],
    ink: ['#1a7f37', '#3fb950'],
  },
  down: {
    colour: 'yellow',
    mark: '!',
    bar: '░',
    fill: ['#d4a72c', '#d4a72c'],
    ink: ['#9a6700', '#d29922'],
  },
  stopping: { colour: 'yellow', mark: '', bar: '▒', fill: ['#afb8c1', '#afb8c1'], ink: grey },
  stopped: { colour: 'dim', mark: '-', bar: ' ', fill: ['#afb8c1', '#afb8c1'], ink: grey },
  failed: {
    colour: 'red',
    mark: '✗',
    bar: '✗',
    fill: ['#cf222e', '#cf222e'],
    ink: ['#cf222e', '#ff7b72'],
  },
};

/** One CSS declaration or rule per phase, for the light or the dark theme. */
export function phaseCss(
  theme: 'light' | 'dark',
  rule: (phase: string, colours: { readonly fill: string; readonly ink: string }) => string,
): string {
  const index = theme === 'light' ? 0 : 1;
  return Object.entries(phaseStyles)
    .map(([phase, { fill, ink }]) => rule(phase, { fill: fill[index], ink: ink[index] }))
    .join('');
}
