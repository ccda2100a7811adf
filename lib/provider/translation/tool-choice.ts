import { isObject } from '../../util/is-object';
import { textOf } from './conversation';

/** The tools that `tool_choice: { type: 'allowed_tools' }` names; all tools with any other `tool_choice`. */
export function allowedTools(tools: unknown, choice: unknown): Record<string, unknown>[] {
  const list = Array.isArray(tools) ? tools.filter(isObject) : [];
  if (!isObject(choice) || choice.type !== 'allowed_tools') return list;
  const { tools: allowed } = isObject(choice.allowed_tools) ? choice.allowed_tools : choice;
  const names = new Set((Array.isArray(allowed) ? allowed : []).map(functionName));
  return list.filter((tool) => names.has(functionName(tool)));
}

export function functionName(tool: unknown): string {
  const called = isObject(tool) && isObject(tool.function) ? tool.function : tool;
  return isObject(called) ? textOf(called.name) : '';
}

/**
 * The mode of a `tool_choice` ('auto', 'required' or 'none'), also inside `allowed_tools`; undefined if it has none.
 */
export function toolMode(choice: unknown): string | undefined {
  if (!isObject(choice)) return typeof choice === 'string' ? choice : undefined;
  if (choice.type !== 'allowed_tools') return undefined;
  return textOf((isObject(choice.allowed_tools) ? choice.allowed_tools : choice).mode) || 'auto';
}
