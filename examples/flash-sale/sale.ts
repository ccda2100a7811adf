import { lognormal, type Random } from 'express-ai-balancer/simulator';
import type { Lengths } from './lengths';

/** The schedule of the sale. Times are seconds from the start of the demo. */
export interface Sale {
  /** Calls per second before the sale. */
  usualRate: number;
  /** Ratio of the peak rate to `usualRate`. */
  peakFactor: number;
  opensAt: number;
  /** Seconds from the usual rate to the peak. */
  risesFor: number;
  holdsFor: number;
  /** Time constant of the decay. */
  fallsOver: number;
  endsAt: number;
  slow: { provider: string; from: number; to: number; factor: number };
  down: { provider: string; from: number; to: number };
}

/**
 * 30 calls per second at the peak, at about 1,500 tokens per call: nine times the limit of a key with 300,000 tokens per
 * minute, and two thirds of the limits of the fleet while its largest key is down.
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

/** Calls per second at `second`. */
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

/** The same schedule, stretched or compressed to another duration. */
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

/** One customer's question. Drawn in advance, so that both shops get the same questions. */
export interface Question {
  atMs: number;
  promptTokens: number;
  outputTokens: number;
  maxTokens: number;
  /** The app's estimate of the length: close to it, but not exact. */
  expectedTokens: number;
  priority: 1 | 2 | 3 | 4 | 5;
  /** The customer leaves after this time. */
  deadlineMs: number;
}

/** Poisson arrivals at the sale's rate, by thinning arrivals at the constant peak rate. */
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
