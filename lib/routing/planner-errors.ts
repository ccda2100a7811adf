import { AiBalancerError, badRequest } from '../errors';
import { nativeRequest } from '../responses/native-route';
import { didYouMean } from '../util/did-you-mean';
import type { CallNeeds } from './needs';
import type { Plan } from './plan';

/** The most models or endpoints that a message lists. */
const MAX_LISTED = 20;

export function modelNotServedError(model: string, models: readonly string[]): AiBalancerError {
  const publicMessage = `no endpoint serves the model '${printable(model)}'`;
  const near = didYouMean(model, models);
  const hint = near === undefined ? '' : ` (did you mean '${near}'?)`;
  const listed = models.length > MAX_LISTED ? [...models.slice(0, MAX_LISTED), '...'] : models;
  return new AiBalancerError(
    'ERR_AI_NO_ENDPOINT',
    `${publicMessage}${hint}; configured models: ${listed.join(', ')}`,
    { status: 404, param: 'model', publicMessage },
  );
}

export function contextWindowError({ contextTokens }: CallNeeds, largest: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONTEXT_WINDOW',
    `the call needs about ${contextTokens} tokens; the largest context window is ${largest}`,
    { status: 400, param: 'messages' },
  );
}

export function noEndpointError({ call, needs, removed }: Plan): AiBalancerError {
  const causes = removed.map(({ endpoint, costUsd, removal }) => removal.reason(needs, endpoint, costUsd));
  const byEndpoint = removed.map(({ endpoint }, index) => `${endpoint.name} (${causes[index] as string})`);
  const model = call.model === undefined ? 'the call' : `'${printable(call.model)}'`;
  const nativeOnly = call.responses?.nativeOnly;
  if (nativeOnly !== undefined && !removed.some(({ endpoint }) => nativeRequest(call, endpoint))) {
    return badRequest(
      nativeOnly,
      `no endpoint with the Responses API serves ${model}, and this can't be translated to chat completions`,
    );
  }
  const message = (reasons: readonly string[]): string =>
    `no endpoint can serve ${model}${reasons.length > 0 ? ': ' : ''}${reasons.slice(0, MAX_LISTED).join('; ')}`;
  return new AiBalancerError('ERR_AI_NO_ENDPOINT', message(byEndpoint), {
    status: 404,
    publicMessage: message([...new Set(causes)]),
  });
}

/** Truncates and cleans a model name. It comes from the caller and must not break a log line. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
}
