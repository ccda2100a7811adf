import { lognormal, type Random } from 'express-ai-balancer/simulator';
import type { Lengths } from './lengths';

/** The day of the sale. Times are seconds from the start of the demo. */
export interface Sale {
  /** Calls a second before the sale. */
  usualRate: number;
  /** How many times that at the peak. */
  peakFactor: number;
  opensAt: number;
  /** Seconds from the usual rate to the peak. */
  risesFor: number;
  holdsFor: number;
  /** Time constant of the fall. */
  fallsOver: number;
  endsAt: number;
  slow: { provider: string; from: number; to: number; factor: number };
  down: { provider: string; from: number; to: number };
}

/**
 * At the peak 30 calls a second: nine times what one key of 300,000 tokens a minute can take at some 1,500 tokens a
 * call, and two thirds of what the fleet can take while its largest key is down.
 */
export const SALE: Sale = {
  usualRate: 0.6,
  peakFactor: 50,
  opensAt: 12,
  risesFor: 5,
  holdsFor: 48,
  fallsOver: 7,
  endsAt: 100,
  slow: { provider: 'gemini-flash', from: 25, to: 60, factor: 6 },
  down: { provider: 'openai-4o-mini', from: 38, to: 56 },
};

/** Calls a second at that second. */
export function rateAt(sale: Sale, second: number): number {
  const { usualRate, peakFactor } = sale;
  const peak = usualRate * peakFactor;
  const peakFrom = sale.opensAt + sale.risesFor;
  const peakTo = peakFrom + sale.holdsFor;
  if (second < sale.opensAt) return usualRate;
  if (second < peakFrom) return usualRate + ((second - sale.opensAt) / sale.risesFor) * (peak - usualRate);
  if (second < peakTo) return peak;
  return usualRate + (peak - usualRate) * Math.exp(-(second - peakTo) / sale.fallsOver);
}

/** The same day in fewer or more seconds. */
export function scaledTo(sale: Sale, seconds: number): Sale {
  const factor = seconds / sale.endsAt;
  return {
    ...sale,
    opensAt: sale.opensAt * factor,
    holdsFor: sale.holdsFor * factor,
    fallsOver: sale.fallsOver * factor,
    endsAt: seconds,
    slow: { ...sale.slow, from: sale.slow.from * factor, to: sale.slow.to * factor },
    down: { ...sale.down, from: sale.down.from * factor, to: sale.down.to * factor },
  };
}

/** One customer's question, decided beforehand, so that both shops get the very same. */
export interface Question {
  atMs: number;
  promptTokens: number;
  outputTokens: number;
  maxTokens: number;
  /** What the app expects of the length: near it, not equal to it. */
  expectedTokens: number;
  priority: 1 | 2 | 3 | 4 | 5;
  /** After that the customer is gone. */
  deadlineMs: number;
}

/** Poisson arrivals at the sale's rate, by thinning those of a constant peak rate. */
export function questionsOf(sale: Sale, lengths: Lengths, random: Random): Question[] {
  const peak = sale.usualRate * sale.peakFactor;
  const questions: Question[] = [];
  for (let at = 0; ; ) {
    at -= Math.log(1 - random()) / peak;
    if (at >= sale.endsAt) return questions;
    if (random() < rateAt(sale, at) / peak) questions.push(questionAt(at * 1000, lengths, random));
  }
}

function questionAt(atMs: number, lengths: Lengths, random: Random): Question {
  const { prompt, output } = lengths();
  const maxTokens = Math.ceil(output * (1.1 + 1.4 * random()));
  return {
    atMs,
    promptTokens: prompt,
    outputTokens: output,
    maxTokens,
    expectedTokens: Math.max(1, Math.min(maxTokens, Math.round(output * lognormal(random, 0.35)))),
    priority: priorityOf(random()),
    deadlineMs: (3000 + 60 * output) * (1 + random()),
  };
}

function priorityOf(share: number): Question['priority'] {
  if (share < 0.1) return 5;
  if (share < 0.3) return 4;
  if (share < 0.7) return 3;
  return share < 0.9 ? 2 : 1;
}
