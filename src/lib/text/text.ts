import { stripVTControlCharacters } from 'node:util';

/** East Asian wide characters and emoji: two columns each. Ambiguous ones count as one, as terminals draw them. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const ordinary = /^[\x20-\x7e]*$/;
const zeroWidth = /\p{Mark}|\u200b|\u200d/u;
const control = /\p{Cc}+/gu;

/** A duration for people: `0.4 s`, `12.0 s`, `2 m 05 s`, `3 h 07 m`, `2 d 04 h`. */
export function formatMs(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${twoDigits(whole % 60)} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${twoDigits((whole % 3600) / 60)} m`;
  return `${Math.floor(whole / 86_400)} d ${twoDigits((whole % 86_400) / 3600)} h`;
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}

/** Bytes for people, in powers of 1024: `512 B`, `1.4 MiB`, `312 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[power]}`;
}

/** The text on one line, safe for a terminal: output of components may contain escape sequences. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text).replace(control, ' ').trim();
}

/** The number of terminal columns that the text occupies. */
export function width(text: string): number {
  if (ordinary.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

/** The text cut to at most `columns`, with an ellipsis where something is missing. */
export function truncate(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  if (ordinary.test(text)) return columns < 1 ? '' : `${text.slice(0, columns - 1).trimEnd()}…`;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += width(character);
    if (used > columns) break;
    kept += character;
  }
  return columns < 1 ? '' : `${kept.trimEnd()}…`;
}

/** The text padded with spaces to `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)));
}
