import { table } from '../../lib/text/table.ts';
import { formatBytes, formatMs, oneLine } from '../../lib/text/text.ts';
import { phaseStyles } from '../state/phases.ts';
import type { NodeStatus } from '../state/status.ts';
import type { Style } from './style.ts';

const headings = ['COMPONENT', 'STATE', 'SINCE', 'RESTARTS', 'PID', 'MEMORY', 'CPU'];
const columnLayout = headings.map((_, i) => ({ align: i < 2 ? 'left' : 'right' }) as const);

/** The status as a table, one line per component, none wider than `columns`; below it the ports, the unit and the notes. */
export function statusTable(status: NodeStatus, columns: number, style: Style): string[] {
  const now = Date.parse(status.at);
  const dim = (text: string): string => style('dim', text);
  const rows = status.components.map((component) => [
    component.name,
    { text: component.state, style: (text: string) => style(phaseStyles[component.state].colour, text) },
    formatMs(now - Date.parse(component.since)),
    String(component.restarts),
    String(component.pid ?? '-'),
    component.memoryBytes === null ? '-' : formatBytes(component.memoryBytes),
    component.cpuPercent === null ? '-' : `${component.cpuPercent.toFixed(1)} %`,
    { text: oneLine(component.reason ?? ''), style: dim },
  ]);
  const head = headings.map((text) => ({ text, style: dim }));
  const notes = table(
    [
      ...(status.ports ?? []).map((port) => `published: ${port}`),
      ...unitNote(status),
      ...(status.notes ?? []),
    ].map((text) => [{ text: oneLine(text), style: dim }]),
    {
      columns: [{}],
      maxWidth: columns,
    },
  );
  return [...table([head, ...rows], { columns: columnLayout, maxWidth: columns }), ...notes];
}

function unitNote({ unit }: NodeStatus): string[] {
  return unit === undefined ? [] : [`run by the systemd unit ${unit}`];
}
