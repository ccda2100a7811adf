import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault } from '../behavior';
import type { FaultSwitch } from './fault-switch';
import { realTime } from './real-time';
import { readJson } from './request-body';
import { errorBody, sendJson } from './wire';

const BASE = '/_simulator';

export function isControl(path: string): boolean {
  return path === BASE || path.startsWith(`${BASE}/`);
}

/**
 * Serves the control API: `POST` and `GET /_simulator/faults`, `DELETE /_simulator/faults[/id]`, `GET
 * /_simulator/stats`.
 */
export async function handleControl(
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  faults: FaultSwitch,
  stats: () => unknown,
): Promise<void> {
  const [, , resource, id] = path.split('/');
  const route = `${req.method ?? 'GET'} ${resource ?? ''}`;
  if (route === 'GET stats') {
    sendJson(res, 200, stats());
    return;
  }
  if (route === 'GET faults') {
    sendJson(res, 200, { faults: faults.list() });
    return;
  }
  if (route === 'POST faults') return enableFault(req, res, faults);
  if (route === 'DELETE faults') {
    if (id === undefined) await faults.allOff();
    else if (!(await faults.off(id))) {
      sendJson(res, 404, errorBody(`No fault ${id}`, 'not_found', null));
      return;
    }
    res.writeHead(204).end();
    return;
  }
  sendJson(res, 404, errorBody(`Nothing at ${path}`, 'not_found', null));
}

async function enableFault(req: IncomingMessage, res: ServerResponse, faults: FaultSwitch): Promise<void> {
  try {
    const fault = (await readJson(req)) as unknown as Fault;
    if (fault.kind === 'refuse') {
      // The response must be sent before the fault destroys the sockets.
      res.once('finish', () => realTime.setImmediate(() => faults.on(fault)));
      sendJson(res, 202, { fault });
      return;
    }
    const { id } = faults.on(fault);
    sendJson(res, 201, { id, fault });
  } catch (error) {
    sendJson(res, 400, errorBody(error instanceof Error ? error.message : String(error), 'bad_fault', null));
  }
}
