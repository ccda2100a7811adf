import { type AnswerPlan, type BadAnswer, type Damage, tokensAt } from '../behavior';
import type { ApiError, Format, Headers, StreamedAnswer, WholeAnswer } from '../formats/format';
import type { Exchange } from './exchange';
import { realTime } from './real-time';
import { sendJson } from './wire';

// Sending several tokens per chunk keeps the number of timers low. Timers of equal length share one list in Node.
const CHUNK_MS = 100;
const SHORT_STREAM_CHUNKS = 5;
const STREAM_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
const SERVER_ERROR: ApiError = {
  status: 500,
  message: 'The server had an error processing your request.',
  type: 'server_error',
  code: null,
  reason: 'server_error',
};
const HTML = '<!DOCTYPE html><html><body><h1>Sorry, we are having a moment.</h1></body></html>\n';

/** How an answer is sent. */
export interface Delivery<Answer extends WholeAnswer> {
  readonly plan: AnswerPlan;
  readonly answer: Answer;
  readonly format: Format;
  readonly headers: Headers;
}

/** Sends an answer as one body, damaged as the plan says. */
export function deliverWhole(exchange: Exchange, delivery: Delivery<WholeAnswer>): void {
  const { plan, answer, headers } = delivery;
  exchange.schedule(plan.totalMs, () => {
    const { res } = exchange;
    const { damage } = plan;
    if (!damage) {
      exchange.finish();
      sendJson(res, 200, answer.whole(), headers);
      return;
    }
    const text = JSON.stringify(answer.whole());
    if (damage.kind === 'bad_answer') {
      exchange.finish();
      const [type, bad] = damagedBody(damage.form, delivery, text);
      res.writeHead(200, {
        ...headers,
        'content-type': type,
        'content-length': String(Buffer.byteLength(bad)),
      });
      res.end(bad);
      return;
    }
    const part = text.slice(
      0,
      Math.floor((text.length * damage.afterTokens) / Math.max(1, plan.outputTokens)),
    );
    const length = String(Buffer.byteLength(text));
    res.writeHead(200, { ...headers, 'content-type': 'application/json', 'content-length': length });
    res.write(part, () => breakOff(exchange, damage));
    // Sends the headers, because an empty write does not.
    if (part === '') res.flushHeaders();
  });
}

function damagedBody(
  form: BadAnswer,
  { answer, format, headers }: Delivery<WholeAnswer>,
  text: string,
): [type: string, body: string] {
  const json = 'application/json';
  switch (form) {
    case 'html':
      return ['text/html; charset=utf-8', HTML];
    case 'truncated_json':
      return [json, text.slice(0, Math.floor(text.length / 2))];
    case 'error_object':
      return [json, JSON.stringify(errorIn(format, headers))];
    case 'no_finish':
      return [json, JSON.stringify(answer.unfinished())];
    default:
      return [json, JSON.stringify(answer.empty())];
  }
}

/** The body of the error that is sent in place of an answer, or in the middle of a stream. */
function errorIn(format: Format, headers: Headers) {
  return format.error(SERVER_ERROR, { model: '', headers }).body;
}

/** Sends an answer as server-sent events, damaged as the plan says. */
export function deliverStream(exchange: Exchange, delivery: Delivery<StreamedAnswer>): void {
  const { plan, answer, headers } = delivery;
  const { res } = exchange;
  const { damage } = plan;
  const length = damage && 'afterTokens' in damage ? damage.afterTokens : plan.outputTokens;
  const durationMs = plan.totalMs - plan.firstTokenMs;
  const intervalMs =
    durationMs > CHUNK_MS * SHORT_STREAM_CHUNKS ? CHUNK_MS : durationMs / SHORT_STREAM_CHUNKS;
  let sent = 0;

  const step = () => {
    const due = Math.min(length, tokensAt(plan, exchange.elapsed()));
    if (due > sent) {
      res.write(answer.tokens(sent, due));
      sent = due;
      exchange.recordOutput(sent);
    }
    if (sent < length) exchange.schedule(Math.min(plan.totalMs, exchange.elapsed() + intervalMs), step);
    else end();
  };
  const end = () => {
    if (damage && 'afterTokens' in damage) {
      breakOff(exchange, damage);
      return;
    }
    exchange.schedule(plan.totalMs, () => {
      exchange.finish();
      res.end(damage ? damagedEnding(damage, delivery) : answer.closing());
    });
  };
  exchange.schedule(plan.firstTokenMs, () => {
    if (damage?.kind === 'bad_answer' && damage.form === 'html') {
      exchange.finish();
      res.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8' }).end(HTML);
      return;
    }
    res.writeHead(200, { ...headers, ...STREAM_HEADERS });
    if (damage?.kind === 'bad_answer' && damage.form === 'empty_choices') {
      end();
      return;
    }
    const opening = answer.opening();
    if (opening === '') res.flushHeaders();
    else res.write(opening);
    step();
  });
}

function damagedEnding(damage: Damage, { answer, format, headers }: Delivery<StreamedAnswer>): string {
  if (damage.kind !== 'bad_answer') return '';
  switch (damage.form) {
    case 'truncated_json':
      return answer.tokens(0, 1).slice(0, -12) + '\n\n';
    case 'error_object':
      return format.errorEvent(errorIn(format, headers));
    case 'empty_choices':
      return answer.emptyStream();
    default:
      return '';
  }
}

/** 'cut' destroys the socket after the last write; 'stall' leaves it open. */
function breakOff(exchange: Exchange, damage: Damage): void {
  if (damage.kind !== 'cut') return;
  // Destroying the socket in the same tick would discard the last write.
  realTime.setTimeout(() => exchange.destroy(), 5);
}
