/** A log shows so many lines to begin with, and at most. */
const tail = 200;
const most = 1000;

// oxlint-disable-next-line no-control-regex -- the colours that a component writes for a terminal
const colours = /\u001b\[[\d;]*m/g;

let following: AbortController | undefined;

/** Follows the logs that are open, all through one connection; ends what it did before. */
export async function follow({ stop = false } = {}): Promise<void> {
  following?.abort();
  const opened = [...document.querySelectorAll<HTMLDetailsElement>('details[data-log][open]')];
  if (stop || opened.length === 0) return;
  following = new AbortController();
  const { signal } = following;
  const panes = new Map(opened.map((each) => [each.dataset['log'] ?? '', each.querySelector('.log')!]));
  const query = new URLSearchParams({ follow: '1', tail: String(tail) });
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
    // Ended, here or there; the next connection begins anew.
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
    while (pane.childElementCount > most) pane.firstElementChild?.remove();
    if (stay) pane.scrollTop = pane.scrollHeight;
  }
}

// A toggle does not bubble.
document.addEventListener('toggle', () => void follow(), { capture: true });
