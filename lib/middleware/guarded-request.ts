import type { Request, Response } from 'express';
import { ADMISSION_ERROR } from '../balancer/balancer';
import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import { checkContext } from '../call/check-options';
import type { RouteReport } from '../call/report';
import { AiBalancerError } from '../errors';
import { type LimitState, refusalOf, type Tenant, type TenantLimits } from '../tenant/limits';
import { clientKey } from './client-key';
import { setRateLimitHeaders } from './rate-limit-guard-headers';
import type { RateLimitGuardOptions } from './rate-limit-guard-options';
import { type RequestState, setContextDefaults } from './request-ai';

const UNIT: Record<LimitState['name'], string> = {
  requests: 'requests a minute',
  tokens: 'tokens a minute',
  dollars: 'US dollars a day',
};

export interface GuardedRequestParts {
  readonly req: Request;
  readonly res: Response;
  readonly state: RequestState;
  readonly options: RateLimitGuardOptions & { readonly name: string };
  readonly limits: TenantLimits;
}

/** One request before one guard. It is counted once, wherever and however often the guard is mounted. */
export class GuardedRequest implements CallGate {
  readonly #parts: GuardedRequestParts;
  /** Calls that were let in and have not been charged. */
  readonly #admitted = new WeakSet<Call>();
  #isIdentified = false;
  #tenantName: Promise<string | undefined> | undefined;
  #tenant: Tenant | undefined;
  #admission: Promise<AiBalancerError | undefined> | undefined;
  /** The door has just looked at the levels: the next call need not. */
  #hasFreshLevels = false;

  constructor(parts: GuardedRequestParts) {
    this.#parts = parts;
  }

  /** Asks the app who comes and how much it matters, once. What the request already says stays. */
  readonly identify = (): void => {
    if (this.#isIdentified) return;
    const { req, state, options } = this.#parts;
    const priority = options.priority?.(req);
    const tenant = options.tenant?.(req);
    if (priority !== undefined) checkContext({ priority });
    if (typeof tenant === 'string') this.#setDefaultTenant(tenant);
    this.#isIdentified = true;
    setContextDefaults(state, { priority });
    this.#tenantName = Promise.resolve(tenant).then((name) => this.#setDefaultTenant(name));
    // A call that fails before it asks must not leave a rejection behind.
    this.#tenantName.catch(() => undefined);
  };

  /** Why the request must not come in; undefined when it may. */
  async check(): Promise<AiBalancerError | undefined> {
    if (this.#admission !== undefined) return this.#admission;
    const { state } = this.#parts;
    this.identify();
    await this.#tenantName;
    const { priority, tenant = '' } = state.context;
    const full = state.balancer[ADMISSION_ERROR](priority, tenant);
    if (full) return full;
    const refused = await this.#countRequest(tenant);
    this.#hasFreshLevels = refused === undefined;
    return refused;
  }

  async admit(call: Call): Promise<void> {
    const tenantName = await this.#tenantName;
    // Calls made before an asynchronous tenant was known.
    if (tenantName !== undefined) call.context.tenant ??= tenantName;
    const refused = await this.#checkCall(call);
    if (refused) throw refused;
    this.#admitted.add(call);
  }

  charge(call: Call, route: RouteReport | undefined): void {
    if (!this.#admitted.delete(call) || this.#tenant === undefined) return;
    const { usage, costUsd = 0 } = route ?? {};
    const tokens = (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0);
    // The store's trouble has been told by then, and the call is over.
    this.#parts.limits.charge(this.#tenant, { tokens, dollars: costUsd }).catch(() => undefined);
  }

  async #checkCall(call: Call): Promise<AiBalancerError | undefined> {
    if (this.#admission === undefined) return this.#countRequest(call.context.tenant);
    const refused = await this.#admission;
    if (refused) return refused;
    if (this.#hasFreshLevels) {
      this.#hasFreshLevels = false;
      return undefined;
    }
    return this.#evaluate(await this.#parts.limits.look(this.#resolveTenant(call.context.tenant)));
  }

  async #countRequest(tenant: string | undefined): Promise<AiBalancerError | undefined> {
    const admission = this.#parts.limits
      .enter(this.#resolveTenant(tenant))
      .then((states) => this.#evaluate(states));
    this.#admission = admission;
    try {
      const refused = await admission;
      if (refused) this.#admission = undefined;
      return refused;
    } catch (error) {
      this.#admission = undefined;
      throw error;
    }
  }

  #evaluate(states: readonly LimitState[]): AiBalancerError | undefined {
    const { res, options } = this.#parts;
    setRateLimitHeaders(res, options.name, states);
    const refusal = refusalOf(states);
    return refusal && tenantLimitError(refusal);
  }

  /** The guard's own word, then the request's, then the address; the first answer holds for the whole request. */
  #resolveTenant(tenant: string | undefined): Tenant {
    const { req } = this.#parts;
    this.#tenant ??= tenant
      ? { key: `tenant:${tenant}`, name: tenant }
      : { key: `address:${clientKey(req)}`, name: undefined };
    return this.#tenant;
  }

  #setDefaultTenant(name: string | undefined): string | undefined {
    if (name === undefined) return undefined;
    checkContext({ tenant: name });
    this.#tenant ??= { key: `tenant:${name}`, name };
    setContextDefaults(this.#parts.state, { tenant: name });
    return name;
  }
}

function tenantLimitError({ name, limit, resetMs }: LimitState): AiBalancerError {
  const seconds = Math.ceil(resetMs / 1_000);
  return new AiBalancerError(
    'ERR_AI_TENANT_LIMIT',
    `the limit of ${limit} ${UNIT[name]} is used up; it starts anew in ${seconds} s`,
    { status: 429, retryable: true, retryAfterMs: resetMs },
  );
}
