import type { ErrorBody } from './error-body';
import { codeTable, hasCode, messagesOf } from './message-text';

const CODES = codeTable(`
  context_length_exceeded context_window_exceeded exceed_context_size_error model_max_prompt_tokens_exceeded
  err_ai_context_window nested:context_length_exceeded
`);

const TOO_MUCH =
  'exceed|overflow|too (?:long|large|many|big)|maximum|\\bmax\\b|(?:long|larg|great|bigg)er than|(?:more|less|fewer) than|' +
  'at most|beyond|surpass|\\blimit|\\bonly\\b|reduce|shorten|\\bfits?\\b|out of range|should be|must be|<=';
/** "maximum context length is", "context size has been exceeded", "context window exceeds limit". */
const CONTEXT_SIZE = /\bcontext[ _-]?(?:length|window|size|limit)/;
const IS_TOO_MUCH = new RegExp(TOO_MUCH);
/** "range of input length should be", "maximum prompt length is", "prompt (length 9000) is longer than". */
const LENGTH_OF_INPUT = new RegExp(
  `\\b(?:prompt|input|inputs|message|messages|sequence|conversation)\\b.{0,12}?\\b(?:length|size)\\b.{0,80}?(?:${TOO_MUCH})`,
);
const MAXIMUM_OF_INPUT =
  /\b(?:maximum|max) (?:allowed |supported |model )?(?:prompt|input|inputs|message|sequence|conversation) (?:length|size)\b/;
/** "prompt is too long", "input is too large to process", "prompt exceeds max length". */
const INPUT_TOO_LONG =
  /\b(?:prompt|inputs?|messages|conversation|history|context)\b(?: text| content)?`? (?:(?:is|are|was|were|has|have) )?(?:(?:become |been |grown )?too (?:long|large)\b|(?:exceeds?|exceeded|surpass(?:es|ed)?) .{0,40}?\b(?:length|size|window|context|tokens?)\b)/;
/** "the input token count exceeds", "too many tokens in the prompt", "`inputs` must have less than 1024 tokens". */
const TOKENS_OF_INPUT =
  /\b(?:prompt|inputs?|messages|sequence|conversation|history)\b.{0,60}?\btokens?\b|\btokens?\b.{0,40}?\b(?:prompt|inputs?|messages|sequence|conversation|history)\b|\brequest (?:contains|has|had|needs|requires|uses|used) .{0,20}?tokens\b/;
const OTHER =
  /context ?window ?exceeded|\bmodel token limit\b|\btokens? (?:count |limit )?exceeds? .{0,40}?\bmodel|\bcontext the overflows\b|\bfits? (?:in|into|within) (?:the )?(?:model(?:'s)? )?context\b|length of the messages or completion|(?:输入|上下文|提示词|prompt).{0,20}?(?:超长|过长|超过|超出)/;

/** A limit on something other than the length of the prompt. */
const OTHER_LIMIT =
  /\b(?:images?|audio|videos?|files?|documents?|pages?|pdfs?|bytes|[kmg]i?b|pixels?|tools?|functions?|schemas?|names?|descriptions?|items|arrays?|elements|entries|stop|keys?|values?|properties|seconds|minutes)\b/;
const RATE_LIMIT = /\bper (?:minute|second|hour|day|month)\b|\btp[md]\b|\brate limit|\bquota\b/;

/**
 * Whether the error says that the prompt plus the requested output exceeds the context window. A model with a larger
 * window may accept it.
 */
export function isContextWindow(body: ErrorBody): boolean {
  return hasCode(body, CODES) || messagesOf(body).some(saysContextExceeded);
}

function saysContextExceeded(message: string): boolean {
  if (OTHER.test(message)) return true;
  if (CONTEXT_SIZE.test(message)) return IS_TOO_MUCH.test(message) && !/must be an? /.test(message);
  if (RATE_LIMIT.test(message)) return false;
  if (TOKENS_OF_INPUT.test(message) && IS_TOO_MUCH.test(message)) return !/\bstop\b|\blogit/.test(message);
  if (OTHER_LIMIT.test(message)) return false;
  return LENGTH_OF_INPUT.test(message) || MAXIMUM_OF_INPUT.test(message) || INPUT_TOO_LONG.test(message);
}
