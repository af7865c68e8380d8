import type { ControlledNode } from '../control/node.ts';
import { servePort } from '../control/port.ts';
import { serve } from '../control/server.ts';
import { writeNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import type { PageSource } from '../observe/web/pages.ts';
import type { Listener } from './listener.ts';

interface ControlApiOptions {
  readonly controlSocket: string;
  readonly listener: Listener | undefined;
  readonly page: PageSource;
  readonly nodeFile: NodeFile;
}

/** A node that answers on its control socket and, when asked for, on its port. */
interface ServedControlApi {
  /** Of the page. */
  readonly url: string | undefined;
  /** Everything else first, the control socket last: whoever reads it to the end knows that nothing is left. */
  close(): Promise<void>;
}

/** The control socket comes last here, too: when it is there, what others must know of the node is in its file. */
export async function serveControlApi(
  node: ControlledNode,
  { controlSocket, listener, page, nodeFile }: ControlApiOptions,
): Promise<ServedControlApi> {
  const served =
    listener && (await servePort(listener, node, (await import('../observe/web/pages.ts')).pagesOf(page)));
  try {
    await writeNodeFile({ ...nodeFile, ...(served && { url: served.url }) });
    const control = await serve(controlSocket, node);
    return {
      url: served?.url,
      async close() {
        await served?.close();
        await control.close();
      },
    };
  } catch (error) {
    await served?.close();
    throw error;
  }
}
