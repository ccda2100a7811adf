import type { AttemptEvent, CallEvent } from '../../lib/balancer/events';
import { CallCounts } from '../../lib/telemetry/call-counts';
import { HistogramSeries } from '../../lib/telemetry/histogram-metric';

const CALL: CallEvent = {
  requestId: 'r',
  operation: 'chat',
  stream: false,
  endpoint: 'a',
  provider: 'openai',
  model: 'm',
  type: 'chat',
  priority: 5,
  startedAt: 0,
  estimatedTokens: { input: 1, output: 1 },
  wastedTokens: 0,
  wastedUsd: 0,
  waitMs: 0,
  ms: 1,
  attempts: 1,
  failed: false,
};
const ATTEMPT: AttemptEvent = { endpoint: 'a', model: 'm', ms: 1, requestId: 'r', provider: 'openai' };

function counting() {
  const totals = new Map<string, number>();
  let added = 0;
  const counts = new CallCounts({
    add: (name, labels, value) => {
      added++;
      const key = `${name} ${Object.values(labels).join(' ')}`;
      totals.set(key, (totals.get(key) ?? 0) + value);
    },
    series: () => new HistogramSeries([1]),
  });
  return { counts, added: () => added, total: (key: string) => totals.get(key) };
}

describe('CallCounts', () => {
  it('adds up calls and attempts with the same labels until the next scrape', () => {
    const { counts, added, total } = counting();
    for (let n = 0; n < 3; n++) counts.record({ ...CALL, tokens: { input: 2, output: 1 } }, undefined);
    counts.record({ ...CALL, endpoint: 'b', tokens: { input: 5, output: 1 }, costUsd: 0.5 }, undefined);
    counts.record(CALL, undefined);
    for (const endpoint of ['a', 'b', 'a']) counts.recordAttempt({ ...ATTEMPT, endpoint });
    counts.recordAttempt({ ...ATTEMPT, class: 'server' });
    counts.recordAttempt(ATTEMPT);
    expect(added()).toBe(0);
    counts.flush();
    expect(total('ai_balancer_calls_total chat chat 5 m ok')).toBe(5);
    expect(total('ai_balancer_tokens_total a m input')).toBe(6);
    expect(total('ai_balancer_cost_usd_total a m')).toBe(0);
    expect(total('ai_balancer_cost_usd_total b m')).toBe(0.5);
    expect(total('ai_balancer_attempts_total a m ok')).toBe(3);
    expect(total('ai_balancer_attempts_total a m server')).toBe(1);
    const before = added();
    counts.flush();
    expect(added()).toBe(before);
  });

  it('counts failed calls by their code, and those without one as error', () => {
    const { counts, total } = counting();
    counts.record({ ...CALL, failed: true, code: 'ERR_AI_ABORTED' }, 't');
    counts.record({ ...CALL, failed: true }, 't');
    counts.flush();
    expect(total('ai_balancer_calls_total chat chat 5 m ERR_AI_ABORTED t')).toBe(1);
    expect(total('ai_balancer_calls_total chat chat 5 m error t')).toBe(1);
  });

  it('finds the totals of earlier labels again', () => {
    const { counts, total } = counting();
    for (const failed of [false, true, false]) counts.record({ ...CALL, failed }, undefined);
    counts.flush();
    expect(total('ai_balancer_calls_total chat chat 5 m ok')).toBe(2);
  });

  it.each<[string, (counts: CallCounts, endpoint: string) => void, string]>([
    [
      'calls',
      (counts, endpoint) => counts.record({ ...CALL, endpoint }, undefined),
      'calls_total chat chat 5 m ok',
    ],
    [
      'attempts',
      (counts, endpoint) => counts.recordAttempt({ ...ATTEMPT, endpoint, model: 'm' }),
      'attempts_total e0 m ok',
    ],
  ])('holds back at most 1,000 combinations of labels of %s, and loses none', (_what, record, name) => {
    const { counts, added, total } = counting();
    for (let n = 0; n < 1_000; n++) record(counts, `e${n}`);
    expect(added()).toBe(0);
    record(counts, 'e1000');
    const before = total(`ai_balancer_${name}`);
    expect(before).toBeGreaterThan(0);
    record(counts, 'e0');
    counts.flush();
    expect(total(`ai_balancer_${name}`)).toBe(before! + (name.startsWith('calls') ? 2 : 1));
  });
});
