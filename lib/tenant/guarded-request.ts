import type { Request, Response } from 'express';
import type { Call } from '../call/call';
import { checkContext } from '../call/check-options';
import type { Priority, RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import type { RouteReport } from '../route-report';
import { callApp, isThenable } from '../util/app-function';
import { clientKey } from './client-key';
import type { RateLimitGuardOptions } from './guard-options';
import { exceededLimit, type LimitState, type Tenant, type TenantLimits } from './limits';
import { setRateLimitHeaders } from './rate-limit-headers';

const UNIT: Record<LimitState['name'], string> = {
  requests: 'requests per minute',
  tokens: 'tokens per minute',
  dollars: 'US dollars per day',
};

/** The context of the guarded request. */
export interface GuardedContext {
  readonly context: RequestContext;
  /** Sets the fields that the request's context doesn't have yet. */
  setContextDefaults(part: Pick<Partial<RequestContext>, 'tenant' | 'priority'>): void;
}

export interface GuardedRequestParts {
  readonly req: Request;
  readonly res: Response;
  readonly state: GuardedContext;
  readonly options: Pick<RateLimitGuardOptions, 'skip' | 'tenant' | 'priority'> & { readonly name: string };
  readonly limits: TenantLimits;
  /** How long a function of the application may take, in milliseconds. */
  readonly appTimeoutMs: number;
  /**
   * Returns the error with which a call of this priority and tenant would be shed now; undefined if it would be
   * accepted.
   */
  readonly admissionError: (priority: Priority, tenant: string) => AiBalancerError | undefined;
}

/** Whether the request has been counted against the limits of its tenant. */
type Admission =
  | { kind: 'uncounted' }
  | { kind: 'counting'; refusal: Promise<AiBalancerError | undefined> }
  /** If the middleware has just read the levels (`hasFreshLevels`), the next call doesn't read them again. */
  | { kind: 'admitted'; hasFreshLevels: boolean };

/**
 * One request at one guard, which provides the hooks of the request's calls. The request is counted once, however often
 * the guard is mounted.
 */
export class GuardedRequest {
  readonly #parts: GuardedRequestParts;
  /** Admitted calls whose usage has not been recorded yet. */
  readonly #admittedCalls = new WeakSet<Call>();
  /**
   * Whether the guard skips the request; undefined until the application's functions have been called. Rejects if one
   * of them fails.
   */
  #isSkipped: Promise<boolean> | undefined;
  #admission: Admission = { kind: 'uncounted' };
  #tenant: Tenant | undefined;

  constructor(parts: GuardedRequestParts) {
    this.#parts = parts;
  }

  /**
   * Calls the application's `skip(req)`, `tenant(req)` and `priority(req)` once, or again after a failure. Their
   * results do not override the request's context.
   */
  identify(): void {
    void this.identified().catch(() => undefined);
  }

  /** Resolves to true if the guard does not apply to the request. */
  identified(): Promise<boolean> {
    if (this.#isSkipped) return this.#isSkipped;
    const isSkipped = this.#askApp();
    this.#isSkipped = isSkipped;
    isSkipped.catch(() => {
      this.#isSkipped = undefined;
    });
    return isSkipped;
  }

  /** Resolves to the error with which the request is refused before its handler runs; undefined if it is admitted. */
  async check(): Promise<AiBalancerError | undefined> {
    if (this.#admission.kind === 'counting') return this.#admission.refusal;
    if (this.#admission.kind === 'admitted') return undefined;
    if (await this.identified()) return undefined;
    const { state, admissionError } = this.#parts;
    const { priority, tenant = '' } = state.context;
    return admissionError(priority, tenant) ?? this.#countRequest(tenant, true);
  }

  /** Admits a call of the request, unless its tenant is over a limit. @throws ERR_AI_TENANT_LIMIT */
  async admit(call: Call): Promise<void> {
    if (await this.identified()) return;
    const refusal = await this.#checkCall(call.context.tenant);
    if (refusal) throw refusal;
    this.#admittedCalls.add(call);
  }

  onUsage(call: Call, route: RouteReport | undefined): void {
    if (!this.#admittedCalls.delete(call) || this.#tenant === undefined) return;
    const { usage, costUsd = 0 } = route ?? {};
    const tokens = (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0);
    // Ignored: the call has ended, and the store has reported its outage already.
    this.#parts.limits.recordUsage(this.#tenant, { tokens, dollars: costUsd }).catch(() => undefined);
  }

  /** Calls the application's functions. Runs synchronously unless one of them returns a promise. */
  async #askApp(): Promise<boolean> {
    const { req, state, options, appTimeoutMs } = this.#parts;
    const skip = callApp('skip()', () => options.skip?.(req), appTimeoutMs);
    if ((isThenable(skip) ? await skip : skip) === true) return true;
    const tenantAsked = callApp('tenant()', () => options.tenant?.(req), appTimeoutMs);
    const priorityAsked = callApp('priority()', () => options.priority?.(req), appTimeoutMs);
    const tenant = isThenable(tenantAsked) ? await tenantAsked : tenantAsked;
    const priority = isThenable(priorityAsked) ? await priorityAsked : priorityAsked;
    if (priority !== undefined && priority !== null) checkContext({ priority });
    state.setContextDefaults({ priority: priority ?? undefined });
    this.#setTenant(tenant);
    return false;
  }

  async #checkCall(tenant: string | undefined): Promise<AiBalancerError | undefined> {
    const admission = this.#admission;
    if (admission.kind === 'uncounted') return this.#countRequest(tenant, false);
    if (admission.kind === 'counting') {
      const refusal = await admission.refusal;
      if (refusal) return refusal;
    } else if (admission.hasFreshLevels) {
      this.#admission = { kind: 'admitted', hasFreshLevels: false };
      return undefined;
    }
    return this.#refusal(await this.#parts.limits.check(this.#resolveTenant(tenant)));
  }

  /** Counts the request. If it is refused, or its limits can't be read, the next check counts it again. */
  async #countRequest(
    tenant: string | undefined,
    hasFreshLevels: boolean,
  ): Promise<AiBalancerError | undefined> {
    const refusal = this.#parts.limits
      .countRequest(this.#resolveTenant(tenant))
      .then((states) => this.#refusal(states));
    this.#admission = { kind: 'counting', refusal };
    try {
      const refused = await refusal;
      this.#admission = refused ? { kind: 'uncounted' } : { kind: 'admitted', hasFreshLevels };
      return refused;
    } catch (error) {
      this.#admission = { kind: 'uncounted' };
      throw error;
    }
  }

  #refusal(states: readonly LimitState[]): AiBalancerError | undefined {
    const { res, options } = this.#parts;
    setRateLimitHeaders(res, options.name, states);
    const refusing = exceededLimit(states);
    return refusing && tenantLimitError(refusing);
  }

  /**
   * The tenant from `tenant(req)`, otherwise that of the call or the request's context, otherwise the client's address.
   * The first result holds for the whole request.
   */
  #resolveTenant(tenant: string | undefined): Tenant {
    this.#tenant ??= tenant
      ? { key: `tenant:${tenant}`, name: tenant }
      : { key: `address:${clientKey(this.#parts.req)}`, name: undefined };
    return this.#tenant;
  }

  /** Stores the result of `tenant(req)`. null and an empty string name no tenant. */
  #setTenant(name: string | null | undefined): void {
    if (name === undefined || name === null || name === '') return;
    checkContext({ tenant: name });
    this.#tenant ??= { key: `tenant:${name}`, name };
    this.#parts.state.setContextDefaults({ tenant: name });
  }
}

function tenantLimitError({ name, limit, resetMs }: LimitState): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_TENANT_LIMIT',
    `Limit exceeded: ${limit} ${UNIT[name]}. Try again in ${Math.ceil(resetMs / 1_000)} s.`,
    { status: 429, retryable: true, retryAfterMs: resetMs },
  );
}
