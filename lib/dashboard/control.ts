import { json, type Request, type RequestHandler, type Response } from 'express';
import type { Balancer } from '../balancer/balancer';
import type { EndpointHandle } from '../balancer/endpoint-handle';
import { isObject } from '../util/is-object';
import { Refusal } from './refusal';

const MAX_BODY_BYTES = 4_096;

/** A command that the page sends. */
type Command =
  | { readonly endpoint: string; readonly action: 'disable' | 'enable' }
  | { readonly endpoint: string; readonly action: 'weight'; readonly weight: number };

const parseJson: RequestHandler = json({ limit: MAX_BODY_BYTES });

/** Executes the command in the body of a request. @throws A refusal; ERR_AI_NO_ENDPOINT. */
export async function control(balancer: Balancer, req: Request, res: Response): Promise<EndpointHandle> {
  const command = toCommand(await readBody(req, res));
  const handle = balancer.endpoint(command.endpoint);
  if (command.action === 'weight') handle.setWeight(command.weight);
  else handle[command.action]();
  return handle;
}

/** Reads a JSON body. Another site's form or script can't send this content type without a CORS preflight. */
async function readBody(req: Request, res: Response): Promise<unknown> {
  if (!req.is('application/json')) throw new Refusal(415, 'The content type must be application/json.');
  await new Promise<void>((resolve, reject) => {
    void parseJson(req, res, (error?: unknown) => {
      if (error === undefined) resolve();
      else reject(bodyRefusal(error));
    });
  });
  return req.body as unknown;
}

/** Replaces the parser's error, whose message may quote the body. */
function bodyRefusal(error: unknown): Refusal {
  return (error as { status?: unknown }).status === 413
    ? new Refusal(413, `The body is larger than ${MAX_BODY_BYTES} bytes.`)
    : new Refusal(400, 'The body is not valid JSON.');
}

function toCommand(body: unknown): Command {
  const { endpoint, action, weight } = isObject(body) ? body : {};
  if (typeof endpoint !== 'string') throw new Refusal(400, 'endpoint: expected the name of an endpoint.');
  if (action === 'disable' || action === 'enable') return { endpoint, action };
  if (action !== 'weight') throw new Refusal(400, "action: expected 'disable', 'enable' or 'weight'.");
  if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0) {
    throw new Refusal(400, 'weight: expected a finite number of at least 0.');
  }
  return { endpoint, action, weight };
}
