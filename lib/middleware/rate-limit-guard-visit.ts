import type { Request, Response } from 'express';
import { HOUSE_FULL } from '../balancer/balancer';
import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import { checkContext } from '../call/check-options';
import type { RouteReport } from '../call/report';
import { AiBalancerError } from '../errors';
import { type LimitState, refusalOf, type Tenant, type TenantLimits } from '../tenant/limits';
import { clientKey } from './rate-limit-guard-client';
import { tellLimits } from './rate-limit-guard-headers';
import type { RateLimitGuardOptions } from './rate-limit-guard-options';
import { type RequestState, suggestContext } from './request-ai';

const UNIT: Record<LimitState['name'], string> = {
  requests: 'requests a minute',
  tokens: 'tokens a minute',
  dollars: 'US dollars a day',
};

export interface VisitParts {
  readonly req: Request;
  readonly res: Response;
  readonly state: RequestState;
  readonly options: RateLimitGuardOptions & { readonly name: string };
  readonly limits: TenantLimits;
}

/** One request before one guard. It is counted once, wherever and however often the guard is mounted. */
export class Visit implements CallGate {
  readonly #parts: VisitParts;
  /** Calls that were let in and have not been charged. */
  readonly #admitted = new WeakSet<Call>();
  #asked = false;
  #named: Promise<string | undefined> | undefined;
  #tenant: Tenant | undefined;
  #entry: Promise<AiBalancerError | undefined> | undefined;
  /** The door has just looked at the levels: the next call need not. */
  #isFresh = false;

  constructor(parts: VisitParts) {
    this.#parts = parts;
  }

  /** Asks the app who comes and how much it matters, once. What the request already says stays. */
  readonly suggest = (): void => {
    if (this.#asked) return;
    const { req, state, options } = this.#parts;
    const priority = options.priority?.(req);
    const tenant = options.tenant?.(req);
    if (priority !== undefined) checkContext({ priority });
    if (typeof tenant === 'string') this.#suggestTenant(tenant);
    this.#asked = true;
    suggestContext(state, { priority });
    this.#named = Promise.resolve(tenant).then((name) => this.#suggestTenant(name));
    // A call that fails before it asks must not leave a rejection behind.
    this.#named.catch(() => undefined);
  };

  /** Why the request must not come in; undefined when it may. */
  async atDoor(): Promise<AiBalancerError | undefined> {
    if (this.#entry !== undefined) return this.#entry;
    const { state } = this.#parts;
    this.suggest();
    await this.#named;
    const { priority, tenant = '' } = state.context;
    const full = state.balancer[HOUSE_FULL](priority, tenant);
    if (full) return full;
    const refused = await this.#enter(tenant);
    this.#isFresh = refused === undefined;
    return refused;
  }

  async admit(call: Call): Promise<void> {
    const named = await this.#named;
    // Calls made before an asynchronous tenant was known.
    if (named !== undefined) call.context.tenant ??= named;
    const refused = await this.#refusalOf(call);
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

  async #refusalOf(call: Call): Promise<AiBalancerError | undefined> {
    if (this.#entry === undefined) return this.#enter(call.context.tenant);
    const refused = await this.#entry;
    if (refused) return refused;
    if (this.#isFresh) {
      this.#isFresh = false;
      return undefined;
    }
    return this.#judge(await this.#parts.limits.look(this.#who(call.context.tenant)));
  }

  async #enter(tenant: string | undefined): Promise<AiBalancerError | undefined> {
    const entry = this.#parts.limits.enter(this.#who(tenant)).then((states) => this.#judge(states));
    this.#entry = entry;
    try {
      const refused = await entry;
      if (refused) this.#entry = undefined;
      return refused;
    } catch (error) {
      this.#entry = undefined;
      throw error;
    }
  }

  #judge(states: readonly LimitState[]): AiBalancerError | undefined {
    const { res, options } = this.#parts;
    tellLimits(res, options.name, states);
    const refusal = refusalOf(states);
    return refusal && overLimit(refusal);
  }

  /** The guard's own word, then the request's, then the address; the first answer holds for the whole request. */
  #who(said: string | undefined): Tenant {
    const { req } = this.#parts;
    this.#tenant ??= said
      ? { key: `tenant:${said}`, name: said }
      : { key: `address:${clientKey(req)}`, name: undefined };
    return this.#tenant;
  }

  #suggestTenant(name: string | undefined): string | undefined {
    if (name === undefined) return undefined;
    checkContext({ tenant: name });
    this.#tenant ??= { key: `tenant:${name}`, name };
    suggestContext(this.#parts.state, { tenant: name });
    return name;
  }
}

function overLimit({ name, limit, resetMs }: LimitState): AiBalancerError {
  const seconds = Math.ceil(resetMs / 1_000);
  return new AiBalancerError(
    'ERR_AI_TENANT_LIMIT',
    `the limit of ${limit} ${UNIT[name]} is used up; it starts anew in ${seconds} s`,
    { status: 429, retryable: true, retryAfterMs: resetMs },
  );
}
