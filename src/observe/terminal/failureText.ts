import type { FailedStage, FailureReport } from '../state/failure.ts';
import type { Style } from './style.ts';
import { formatMs, oneLine } from '../../lib/text/text.ts';

/** The report for a person: per stage what, why, what waits for it, its last words, and the command to try by hand. */
export function failureText({ stages }: FailureReport, style: Style): string {
  return stages.map((stage) => stageText(stage, style)).join('\n\n');
}

function stageText(stage: FailedStage, style: Style): string {
  const { component, state, forMs, restarts, reason, lastProbe, exit, lastLines, command, waiting } = stage;
  const how = state === 'failed' ? 'was given up' : `has been ${state} for ${formatMs(forMs)}`;
  const facts: [string, string | null][] = [
    ['reason', reason],
    ['probe', lastProbe === reason ? null : lastProbe],
    ['exit', exit === null || reason?.startsWith(exit) ? null : exit],
    ['restarts', restarts > 0 ? String(restarts) : null],
    ['waiting', waiting.length > 0 ? waiting.join(', ') : null],
  ];
  const told = facts.flatMap(([label, text]) =>
    text === null ? [] : [`  ${style('dim', label.padEnd(8))}  ${oneLine(text)}`],
  );
  const quoted = lastLines.map((line) => `    ${oneLine(line)}`);
  return [
    `${style('red', '✗')} ${style('bold', component)} ${how}`,
    ...told,
    ...(quoted.length > 0 ? ['', `  ${style('dim', 'the last lines of its log')}`, ...quoted] : []),
    ...(command === null ? [] : ['', `  ${style('dim', 'to run it by hand')}`, `    ${command}`]),
  ].join('\n');
}
