import { randomUUID } from 'node:crypto';
import axios from 'axios';
import type { Call } from '../../lib/call/call';
import { prepareCall } from '../../lib/call/prepare';
import { ExpectedOutput } from '../../lib/call/tokens';
import type { HealthReportsLink } from '../../lib/cluster/health-reports/health-link';
import { HealthReports } from '../../lib/cluster/health-reports/health-reports';
import { resolveConfig } from '../../lib/config/resolve';
import { Endpoint } from '../../lib/endpoint/endpoint';
import { applyHealthReport } from '../../lib/endpoint/health-reporter';
import { RefusalCounts } from '../../lib/health/refusal-share';
import { SiblingSlowness } from '../../lib/health/sibling-slowness';
import { ConnectionPools } from '../../lib/http/connection/connection-pool';
import { Transport } from '../../lib/http/transport';
import { UpstreamFailure } from '../../lib/http/upstream-failure';
import { Quota } from '../../lib/quota/quota';

/** How the provider answers one request. */
export interface ProviderAnswer {
  readonly status: number;
  readonly ms: number;
  readonly headers?: Record<string, string>;
  readonly error?: object;
}

export type CallOutcome = 'served' | 'refused' | 'not-sent' | 'failed';

const ENDPOINT = 'e';
export const GROUP = 'group g';
/** The longest that an attempt may take. */
const LIMIT_MS = 5_000;

/** One process of a cluster with one endpoint and no router or queue: a call that can't start is refused. */
export class Member {
  readonly endpoint: Endpoint;
  readonly group = new Quota(GROUP, {}, 10);
  readonly events: string[] = [];
  readonly healthReports: HealthReports | undefined;
  /** Requests that reached the provider. */
  requestCount = 0;
  /** The call that may probe, and whether it has reached the provider. */
  #probe: { readonly id: string; isSent: boolean } | undefined;

  /** @param answer Called for each request as it arrives. */
  constructor(redis: HealthReportsLink | undefined, answer: (member: Member) => ProviderAnswer) {
    const config = resolveConfig({
      endpoints: [{ name: ENDPOINT, model: 'gpt-4o-mini', provider: 'openai', apiKey: 'sk-a-secret-key' }],
      http: {
        axios: axios.create({
          adapter: async (request) => {
            this.requestCount++;
            const { user } = JSON.parse(request.data as string) as { user: string };
            if (this.#probe?.id === user) this.#probe.isSent = true;
            const { status, ms, headers = {}, error } = answer(this);
            await new Promise<void>((resolve, reject) => {
              setTimeout(resolve, ms);
              (request.signal as AbortSignal).addEventListener('abort', () => reject(new Error('aborted')));
            });
            const data = JSON.stringify(status === 200 ? ANSWER : { error: { message: 'Sorry', ...error } });
            return { status, statusText: '', headers, data, config: request };
          },
        }),
      },
    });
    const settings = config.endpoints[0]!;
    const dialect = config.dialects.get('openai')!;
    const { axios: instance, proxy, maxResponseBytes } = config.http;
    const own = new Quota(`endpoint ${ENDPOINT}`, {}, 10);
    this.healthReports =
      redis &&
      new HealthReports({
        ...redis,
        endpointId: (name) => `${name} hash`,
        onReport: (report) =>
          applyHealthReport(report, {
            endpoint: (name) => (name === ENDPOINT ? this.endpoint : undefined),
            quota: (name) => [own, this.group].find((quota) => quota.name === name),
          }),
      });
    this.endpoint = new Endpoint({
      settings,
      dialect,
      transport: new Transport(
        { baseURL: settings.baseURL, connectMs: 1_000, axios: instance, proxy, maxResponseBytes },
        new ConnectionPools(),
      ),
      breaker: config.breaker,
      quotas: [own, this.group],
      listeners: {
        onState: (_endpoint, state) => this.events.push(state),
        onCooldown: (_endpoint, detail, cooldownMs) =>
          this.events.push(`${detail.class} ${Math.round(cooldownMs)}`),
        onCapacity: () => undefined,
      },
      healthReports: this.healthReports,
      refusals: new RefusalCounts(),
      siblings: new SiblingSlowness(),
    });
  }

  /** Whether a probe of this member is at the provider and its breaker is still half-open. */
  get isProbing(): boolean {
    return this.#probe?.isSent === true && this.endpoint.breaker.state === 'half-open';
  }

  get state(): string {
    return this.endpoint.state(performance.now());
  }

  get cooldownMs(): number {
    const now = performance.now();
    return Math.max(0, this.endpoint.cooldownUntil(now) - now);
  }

  /** @param countsAsFailed Whether an attempt that was not sent is reported as failed. */
  async call(countsAsFailed = false): Promise<CallOutcome> {
    const { endpoint } = this;
    const now = performance.now();
    if (!endpoint.breaker.canEnter || endpoint.cooldownUntil(now) > 0) return 'refused';
    const call = createCall();
    const { requestId } = call.context;
    if (endpoint.breaker.state === 'half-open') this.#probe = { id: requestId, isSent: false };
    const slot = endpoint.acquireSlot(call, { input: 1, output: 1 }, now);
    try {
      const { usage } = await slot.sendWhole(call, {
        limitMs: LIMIT_MS,
        maxResponseBytes: 1e6,
        signal: call.signal,
      });
      slot.succeed(usage);
      return 'served';
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      if (error.detail.staleSocket) {
        if (countsAsFailed) slot.fail(error);
        else slot.abort(false);
        return 'not-sent';
      }
      slot.fail(error);
      return 'failed';
    } finally {
      if (this.#probe?.id === requestId) this.#probe = undefined;
    }
  }

  async calls(times: number): Promise<CallOutcome[]> {
    const outcomes: CallOutcome[] = [];
    for (let n = 0; n < times; n++) outcomes.push(await this.call());
    return outcomes;
  }

  close(): void {
    this.endpoint.close();
    this.healthReports?.close();
    this.group.close();
  }
}

const ANSWER = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

function createCall(): Call {
  const requestId = randomUUID();
  const body = { messages: [{ role: 'user' as const, content: 'a secret prompt' }], user: requestId };
  return prepareCall('chat', body, { requestId }, new AbortController().signal, {
    classify: () => 'chat',
    estimateTokens: undefined,
    expectedOutput: new ExpectedOutput(),
    maxOutputTokens: 128_000,
    totalMs: { chat: 60_000, embeddings: 30_000 },
  });
}
