import type { Ticket } from './helpdesk';
import type { Question } from './sale';

/** What happened to the customers of one shop so far. */
export class Tally {
  asked = 0;
  inTime = 0;
  /** Customers who got an error. */
  refused = 0;
  /** Customers who left because the answer took too long. */
  late = 0;
  /** Latencies of the answers in time. */
  readonly latenciesMs: number[] = [];
  readonly refusals = new Map<string, number>();

  get waiting(): number {
    return this.asked - this.inTime - this.refused - this.late;
  }

  refuse(reason: string): void {
    this.refused += 1;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  /** Percentage of customers with an answer in time. */
  get percent(): number {
    return this.asked === 0 ? 100 : (100 * this.inTime) / this.asked;
  }

  percentile(share: number): number {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  }
}

/** Sends one question to a shop. Resolves when the customer has an answer or has left. Deadlines are divided by `speed`. */
export async function ask(url: string, question: Question, speed: number, tally: Tally): Promise<void> {
  const timeoutMs = question.deadlineMs / speed;
  const startedAt = performance.now();
  tally.asked += 1;
  try {
    const response = await fetch(`${url}/helpdesk`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ticketOf(question, timeoutMs)),
      signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
    });
    const body = (await response.json()) as { answer?: string; error?: string };
    if (response.ok && body.answer) {
      tally.inTime += 1;
      tally.latenciesMs.push(performance.now() - startedAt);
    } else {
      tally.refuse(`${response.status} ${body.error ?? ''}`.trim());
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') tally.late += 1;
    else tally.refuse('no connection');
  }
}

function ticketOf(question: Question, timeoutMs: number): Ticket {
  const { promptTokens, outputTokens, maxTokens, expectedTokens, priority } = question;
  return {
    question: textOf(promptTokens),
    maxTokens,
    expectedTokens,
    priority,
    timeoutMs,
    metadata: {
      simulate_prompt_tokens: String(promptTokens),
      simulate_output_tokens: String(outputTokens),
    },
  };
}

const WORDS =
  'my order has not come yet and the page says it left your warehouse on monday where is it now'.split(' ');

/** Texts of every length are the beginnings of this one. */
let longest = { text: '', ends: [0] };

/** English text of about `tokens` tokens: common short words have one token each. */
function textOf(tokens: number): string {
  if (tokens >= longest.ends.length) {
    const words = Array.from({ length: 2 * tokens }, (_, at) => WORDS[at % WORDS.length]!);
    let end = 0;
    longest = { text: words.join(' '), ends: [0, ...words.map((word) => (end += word.length + 1) - 1)] };
  }
  return longest.text.slice(0, longest.ends[tokens]);
}
