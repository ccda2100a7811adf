import type { AnswerPlan, ErrorPlan } from '../../../simulator/behavior';

/** A word of about one token, so that estimates of the number of tokens are close to the true number. */
const WORD = 'word ';
const LONGEST = 20_000;
const WORDS = WORD.repeat(LONGEST);

/** Returns the body of a whole answer. A malformed one has no choices. */
export function answerText(model: string, plan: AnswerPlan): string {
  const message = { role: 'assistant', content: words(0, plan.outputTokens) };
  return JSON.stringify({
    ...head(model, 'chat.completion'),
    choices: plan.damage ? [] : [{ index: 0, message, finish_reason: plan.finish }],
    usage: usageOf(plan),
  });
}

/** Returns the stream event with the tokens from `from` (inclusive) to `to` (exclusive). */
export function chunkOf(model: string, from: number, to: number): string {
  const role = from === 0 ? { role: 'assistant' } : {};
  const choice = { index: 0, delta: { ...role, content: words(from, to) }, finish_reason: null };
  return event({ ...head(model, 'chat.completion.chunk'), choices: [choice] });
}

/** Returns the end of a stream: remaining tokens, finish reason, usage and `[DONE]`. A malformed one has no choices. */
export function closingOf(model: string, sent: number, plan: AnswerPlan): string {
  const chunk = head(model, 'chat.completion.chunk');
  if (plan.damage) return `${event({ ...chunk, choices: [] })}data: [DONE]\n\n`;
  const rest = sent < plan.outputTokens ? chunkOf(model, sent, plan.outputTokens) : '';
  const finish = event({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: plan.finish }] });
  return `${rest}${finish}${event({ ...chunk, choices: [], usage: usageOf(plan) })}data: [DONE]\n\n`;
}

export function errorText(plan: ErrorPlan): string {
  return JSON.stringify({ error: { message: plan.message, type: plan.type, param: null, code: plan.code } });
}

function words(from: number, to: number): string {
  const count = Math.max(0, to - from);
  return count <= LONGEST ? WORDS.slice(0, count * WORD.length) : WORD.repeat(count);
}

function head(model: string, object: string) {
  return { id: 'chatcmpl-simulated', object, created: Math.floor(Date.now() / 1000), model };
}

function usageOf({ promptTokens, outputTokens }: AnswerPlan) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
  };
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
