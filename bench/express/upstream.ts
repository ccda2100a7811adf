/** A provider that answers at once, in a process of its own. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = JSON.stringify({
  id: 'chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG',
  object: 'chat.completion',
  created: 1741570283,
  model: 'gpt-4o-mini-2024-07-18',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'It should arrive tomorrow. '.repeat(12), refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 40, completion_tokens: 60, total_tokens: 100 },
  service_tier: 'default',
  system_fingerprint: 'fp_fc9f1d7035',
});

import { EVENTS } from './shape';

const WORDS = [' the', ' parcel', ' will', ' arrive', ' "tomorrow"', ',', ' größer', '\n', ' and'];

function event(delta: object, finish_reason: string | null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG',
    object: 'chat.completion.chunk',
    created: 1741570283,
    model: 'gpt-4o-mini-2024-07-18',
    service_tier: 'default',
    system_fingerprint: 'fp_fc9f1d7035',
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
  })}\n\n`;
}

const STREAM = [
  ...Array.from({ length: EVENTS - 1 }, (_, at) => event({ content: WORDS[at % WORDS.length] }, null)),
  event({}, 'stop'),
];

function stream(res: ServerResponse, pauseMs: number): void {
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  if (pauseMs === 0) {
    for (const text of STREAM) res.write(text);
    res.end('data: [DONE]\n\n');
    return;
  }
  let at = 0;
  const timer = setInterval(() => {
    const text = STREAM[at++];
    if (text !== undefined) res.write(text);
    else {
      clearInterval(timer);
      res.end('data: [DONE]\n\n');
    }
  }, pauseMs);
  res.once('close', () => clearInterval(timer));
}

const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const parts: Buffer[] = [];
  req.on('data', (part: Buffer) => parts.push(part));
  req.on('end', () => {
    const body = Buffer.concat(parts).toString();
    if (body.includes('"stream":true')) stream(res, body.includes('paced') ? 5 : 0);
    else
      res
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(ANSWER) })
        .end(ANSWER);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
