/** The number of lines that a log shows at first, and at most. */
const initialLines = 200;
const maxLines = 1000;

// oxlint-disable-next-line no-control-regex -- colours for a terminal
const colours = /\u001b\[[\d;]*m/g;

let following: AbortController | undefined;

/** Follows all open logs through one connection, which replaces the one before. */
export async function follow({ stop = false } = {}): Promise<void> {
  following?.abort();
  const opened = [...document.querySelectorAll<HTMLDetailsElement>('details[data-log][open]')];
  if (stop || opened.length === 0) return;
  following = new AbortController();
  const { signal } = following;
  const panes = new Map(opened.map((each) => [each.dataset['log'] ?? '', each.querySelector('.log')!]));
  const query = new URLSearchParams({ follow: '1', tail: String(initialLines) });
  for (const component of panes.keys()) query.append('component', component);
  try {
    const { body } = await fetch(`/v1/logs?${query}`, { signal });
    for (const pane of panes.values()) pane.replaceChildren();
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split('\n');
      rest = lines.pop() ?? '';
      add(lines, panes);
    }
  } catch {
    // Closed by either side. The next connection starts again.
  }
}

function add(lines: readonly string[], panes: ReadonlyMap<string, Element>): void {
  const atEnd = new Map(
    [...panes.values()].map((pane) => [pane, pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24]),
  );
  for (const line of lines) {
    const { component, level, text }: { component: string; level?: string; text: string } = JSON.parse(line);
    const element = document.createElement('div');
    element.className = level ?? '';
    element.textContent = text.replaceAll(colours, '');
    panes.get(component)?.append(element);
  }
  for (const [pane, stay] of atEnd) {
    while (pane.childElementCount > maxLines) pane.firstElementChild?.remove();
    if (stay) pane.scrollTop = pane.scrollHeight;
  }
}

// Toggle events do not bubble.
document.addEventListener('toggle', () => void follow(), { capture: true });
