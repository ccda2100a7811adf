import { classOf, toFailureDetail } from './classify-answer';
import type { FailureDetail } from './detail';
import { parseJson, readErrorBody } from './error-body';
import { impliedStatus } from './patterns';

/**
 * The failure inside a stream's event, or undefined where the event is none. Understood are OpenAI's and Azure's
 * `data: {"error":...}`, Anthropic's `event: error`, OpenRouter's chunk with `error` beside its choices, Gemini's
 * `[{"error":...}]`. Without a code that says otherwise it is the upstream's fault: `server`.
 *
 * @param data the event's data, as text or parsed
 * @param event the event's name, where it has one
 */
export function classifyStreamError(data: unknown, event?: string): FailureDetail | undefined {
  const parsed = typeof data === 'string' ? parseJson(data) : data;
  const root: unknown = Array.isArray(parsed) ? (parsed as unknown[])[0] : parsed;
  const isErrorEvent = event === 'error';
  if (typeof root !== 'object' || root === null) {
    return isErrorEvent
      ? toFailureDetail('server', readErrorBody(typeof data === 'string' ? data : ''), {})
      : undefined;
  }
  const holdsError =
    'error' in root && root.error !== null && root.error !== undefined && root.error !== false;
  if (!holdsError && !isErrorEvent && !hasErrorFinish(root)) return undefined;
  const error = readErrorBody(root);
  const status = impliedStatus(error);
  return toFailureDetail(classOf(status ?? 500, error), error, status === undefined ? {} : { status });
}

function hasErrorFinish(chunk: object): boolean {
  const choices: unknown = 'choices' in chunk ? chunk.choices : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return (
    typeof first === 'object' && first !== null && 'finish_reason' in first && first.finish_reason === 'error'
  );
}
