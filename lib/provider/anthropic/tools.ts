import type { ChatBody } from '../../call/body';
import { type Fields, isObject } from '../../util/is-object';
import { type Turn, textOf } from '../translation/conversation';
import { allowedTools, functionName, toolMode } from '../translation/tool-choice';
import type { CacheControl, Tool, ToolChoice } from './wire';

/**
 * A tool through which a model answers in JSON where structured outputs can't be used: the model must call a tool, and
 * the input of this one is the answer. The caller never sees the call.
 */
export const JSON_TOOL = 'respond_with_json';

export interface Tools {
  readonly tools?: Tool[];
  readonly tool_choice?: ToolChoice;
}

/** @param jsonSchema the input schema of {@link JSON_TOOL}; undefined if the answer is not given through it */
export function toTools(
  body: ChatBody,
  turns: readonly Turn[],
  jsonSchema: Tool['input_schema'] | undefined,
): Tools {
  const own = allowedTools(body.tools, body.tool_choice).map(toTool);
  if (jsonSchema) {
    const description = 'Gives the answer to the user. Its input is the whole answer.';
    const tools = [...own, { name: JSON_TOOL, description, input_schema: jsonSchema }];
    const { tool_choice: choice } = body;
    if (own.length === 0 || choice === 'none')
      return { tools, tool_choice: { type: 'tool', name: JSON_TOOL } };
    const named = toToolChoice(body);
    return { tools, tool_choice: named?.type === 'tool' ? named : withParallel(body, { type: 'any' }) };
  }
  if (own.length === 0) return pastTools(turns);
  const choice = toToolChoice(body);
  return { tools: own, ...(choice ? { tool_choice: choice } : {}) };
}

/**
 * Definitions of the tools that the conversation has called. The API requires them even if the model may no longer call
 * any.
 */
function pastTools(turns: readonly Turn[]): Tools {
  const names = new Set<string>();
  for (const { parts } of turns)
    for (const part of parts) if (part.kind === 'tool-call') names.add(part.name);
  if (names.size === 0) return {};
  return {
    tools: [...names].map((name) => ({ name, input_schema: { type: 'object' } })),
    tool_choice: { type: 'none' },
  };
}

function toTool(tool: Fields): Tool {
  const { name, description, parameters } = isObject(tool.function) ? tool.function : ({} as Fields);
  const control = tool.cache_control;
  return {
    name: textOf(name),
    ...(typeof description === 'string' ? { description } : {}),
    input_schema: { ...(isObject(parameters) ? parameters : { properties: {} }), type: 'object' },
    ...(isObject(control) ? { cache_control: control as unknown as CacheControl } : {}),
  };
}

function toToolChoice(body: ChatBody): ToolChoice | undefined {
  const { tool_choice: choice } = body;
  const mode = toolMode(choice);
  if (mode === 'none') return { type: 'none' };
  if (mode === 'required') return withParallel(body, { type: 'any' });
  if (isObject(choice) && choice.type === 'function')
    return withParallel(body, { type: 'tool', name: functionName(choice) });
  const mayCallOnlyOne = (body as { parallel_tool_calls?: unknown }).parallel_tool_calls === false;
  return mode === 'auto' || mayCallOnlyOne ? withParallel(body, { type: 'auto' }) : undefined;
}

function withParallel(body: ChatBody, choice: Exclude<ToolChoice, { type: 'none' }>): ToolChoice {
  return (body as { parallel_tool_calls?: unknown }).parallel_tool_calls === false
    ? { ...choice, disable_parallel_tool_use: true }
    : choice;
}

/** Whether the model is forced to call a tool. It can't think before a forced call. */
export function forcesTool(choice: ToolChoice | undefined): boolean {
  return choice?.type === 'any' || choice?.type === 'tool';
}
