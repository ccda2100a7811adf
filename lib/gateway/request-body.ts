import { json, type Request, type RequestHandler, type Response } from 'express';
import { AiBalancerError, badRequest } from '../errors';

/** Resolves to the parsed body. Rejects with ERR_AI_BAD_REQUEST and status 400, 413 or 415. */
export type ReadBody = (req: Request, res: Response) => Promise<unknown>;

/**
 * Returns a function that reads JSON bodies of up to `maxBytes`, unless the app has read them already. The content type
 * must be JSON, so that another site's page cannot send a request on behalf of its visitor without a CORS preflight.
 */
export function bodyReader(maxBytes: number): ReadBody {
  const parse: RequestHandler = json({ limit: maxBytes });
  return async (req, res) => {
    if (req.is('application/json') === false) {
      throw bodyError(415, 'the content type must be application/json');
    }
    // Checked here too, because the app's own parser may accept larger bodies.
    if (Number(req.headers['content-length']) > maxBytes) throw tooLargeError(maxBytes);
    await new Promise<void>((resolve, reject) => {
      void parse(req, res, (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(toBodyError(error, maxBytes));
      });
    });
    return parseBody(req.body, maxBytes);
  };
}

/** Parses a body that the app has read as text or bytes; returns one that is parsed already. */
function parseBody(body: unknown, maxBytes: number): unknown {
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) return body;
  if (Buffer.byteLength(body) > maxBytes) throw tooLargeError(maxBytes);
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    throw badRequest('body', 'not valid JSON');
  }
}

/** Replaces the parser's error, whose message may quote the body. */
function toBodyError(error: unknown, maxBytes: number): AiBalancerError {
  const { status } = error as { status?: unknown };
  if (status === 413) return tooLargeError(maxBytes);
  if (status === 415) return bodyError(415, 'its character set or encoding is not supported');
  return bodyError(400, 'not valid JSON');
}

function tooLargeError(maxBytes: number): AiBalancerError {
  return bodyError(413, `larger than ${maxBytes} bytes`);
}

function bodyError(status: number, why: string): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', `body: ${why}`, { status, param: 'body' });
}
