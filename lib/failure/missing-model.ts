import type { ErrorBody } from './error-body';
import { messagesOf, withoutPrefix } from './message-text';

const CODE =
  /^(?:err_ai_no_endpoint|deployment_?not_?found|(?:invalid|unknown|unsupported|no_such|nonexistent)_?model(?:_?(?:name|id|error))?|(?:the_?)?model_?(?:is_?)?(?:not_?(?:found|available|supported|exists?|allowed|ready|accessible)|unavailable|unsupported|deprecated|decommissioned|retired|unknown|invalid|access_?denied)(?:_?error)?)$/;

const MODEL = '(?:model|deployment|engine)';
const ID = '(?:[`\'"“(\\[]{0,2}[\\w./:@+~-]{1,200}[`\'"”)\\]]{0,2} )?';
const GONE =
  'not (?:be )?(?:found|exist|exists|available|valid|known|recogni[sz]ed|supported|allowed|permitted|enabled|loaded|deployed|accessible|installed|served|hosted|ready|active)|unknown|unavailable|unsupported|unrecogni[sz]ed|inaccessible|invalid|deprecated|decommissioned|retired|removed|discontinued|sunset|shut ?down|disabled|no longer|end of life|end-of-life';
/** Excludes matches followed by words that show that a parameter of the request is meant, not the model. */
const ABOUT_REQUEST =
  '(?! (?:with|when|while|if|together|in combination|alongside|in (?:batch|streaming|stream|json)|for (?:streaming|stream|this (?:parameter|feature|request|operation|option|type)|use with)))';

const PATTERNS = [
  // "The model `x` does not exist", "Model x is not available for your organization", "model 'x' not found".
  `\\b${MODEL}(?: (?:named|name|id|with id|version|group))?:? ?${ID}(?:(?:you|that was)? ?(?:requested|specified) )?(?:or \\w{1,20} )?(?:(?:is|was|were|are|has been|has|have|does|do|did|could|can|cannot|can't|couldn't|isn't|doesn't|wasn't) )?(?:(?:currently|now|either|been|temporarily|since|unfortunately) ){0,2}(?:${GONE})\\b${ABOUT_REQUEST}`,
  `\\b${MODEL} ${ID}(?:cannot|can't|couldn't|isn't|doesn't|wasn't) (?:be )?(?:found|exist|available|valid|known|supported|loaded|accessed|located)\\b${ABOUT_REQUEST}`,
  // "No model found: x", "Unknown model x", "Invalid model name passed in model=x".
  `\\b(?:no (?:such |matching |available |active )?|unknown |invalid |unsupported |unrecogni[sz]ed |non-?existent |wrong )${MODEL}\\b(?! (?:output|outputs|response|parameters?|params?|settings?|config|configuration|types?|inputs?|behaviou?r|provider|format|fields?|values?|kwargs?|choice|can |will |could |may |is required))`,
  // "You do not have access to the model", "not allowed to use model x".
  `\\b(?:no|not have|without|lacks?|don't have|doesn't have|not (?:been )?(?:granted|given)) (?:the |any )?(?:access|permissions?) (?:to|for|to use|to access) (?:the |this |requested |specified ){0,2}(?:[\\w.-]{1,40} )?${MODEL}\\b`,
  `\\b(?:not|n't) (?:allowed|authori[sz]ed|permitted|entitled|enabled) (?:to (?:use|access|call|invoke)|for|access to) (?:the |this |requested ){0,2}${MODEL}\\b`,
  `\\baccess to (?:the |this |requested ){0,2}${MODEL} ${ID}(?:is |was |has been )?(?:denied|restricted|forbidden|not )`,
  // "Could not find the model", "failed to load model".
  `\\b(?:cannot|could not|couldn't|can't|unable to|failed to|did not) (?:find|locate|load|resolve|access) (?:the |this |any |requested |specified |a ){0,3}${MODEL}\\b`,
  `(?:^\\S{1,200} )?\\bis not an? (?:valid|known|supported|recogni[sz]ed|available|existing) (?:\\w{1,20} )?${MODEL}\\b`,
  `\\b(?:models/|projects/)\\S{1,300} (?:is|was) not (?:found|supported)`,
  '\\bno endpoints found for \\S',
  '模型.{0,40}(?:不存在|未找到|已下线|无权|不可用)',
].map((pattern) => new RegExp(pattern));

/** A message that is only the model's name, as in Anthropic's 404. */
const ONLY_MODEL = /^model: ?\S{1,200}$/;
const ANCHORED =
  /^(?:(?:sorry|the|this|your|you|requested|specified|given|project|organi[sz]ation|account|team|plan|api|key|is|are|do|does|did|has|have|currently|`[^`]{1,200}`)[ ,]{0,2}){0,6}$/;

/** Things that a request can name. A refusal that mentions one of them is about the request, not about the endpoint. */
const CALLER_NAMED =
  /\b(?:files?|images?|vision|audio|documents?|containers?|skills?|tools?|functions?|assistants?|threads?|vector stores?|cached ?contents?|conversations?|prompts?|tuned ?models?|fine-?tun\w{0,8}|service[ _]tiers?|betas?|features?|parameters?|temperature|top_p|logprobs|penalty|reasoning|thinking|response[ _]format|json|schemas?|streaming|roles?|messages?|max_\w+|resource group)\b/;
const REQUEST_PART = new RegExp(`${CALLER_NAMED.source}|\\b(?:urls?|responses?)\\b`);
const CALLERS_RESOURCE_GONE =
  /\b(?:no such|unknown|invalid) (?:file|image|document|container|skill|assistant|thread|vector store|conversation|prompt|response)\b|\b(?:files?|images?|documents?|containers?|skills?|assistants?|threads?|vector stores?|cached ?contents?|conversations?|prompts?|previous responses?|tuned ?models?|(?:image|file|document) urls?)\b.{0,120}?\b(?:not found|not exist|no such|expired|cannot|can't|could not|not (?:be )?(?:fetched|accessed|downloaded)|denied|not allowed|may not)/;

/**
 * How certain it is that the error reports a missing model: 'code' or 'message' if the upstream itself states it,
 * 'mention' if the message only contains it somewhere. No model name is compared: the message names the model
 * configured for the endpoint, and the caller may have asked for another one.
 */
export function findMissingModel(body: ErrorBody): 'code' | 'message' | 'mention' | undefined {
  for (const code of body.codes) if (CODE.test(code)) return 'code';
  if (body.param !== undefined && !/(?:^|\.)model$/.test(body.param)) return undefined;
  for (const message of messagesOf(body)) {
    const text = withoutPrefix(message);
    if (ONLY_MODEL.test(text)) return body.isStructured ? 'message' : 'mention';
    for (const pattern of PATTERNS) {
      const match = pattern.exec(text);
      if (!match || CALLER_NAMED.test(text.replace(match[0], ' '))) continue;
      return body.isStructured && ANCHORED.test(text.slice(0, match.index)) ? 'message' : 'mention';
    }
  }
  return undefined;
}

/** Whether the refusal mentions a part of the request, and is therefore about that part, not about the key. */
export function mentionsRequestPart(body: ErrorBody): boolean {
  return body.param !== undefined || messagesOf(body).some((message) => REQUEST_PART.test(message));
}

/** Whether the error is about something that the request names: a file, an image, a conversation. */
export function namesCallersResource(body: ErrorBody): boolean {
  if (body.param !== undefined && !/(?:^|\.)model$/.test(body.param)) return true;
  return messagesOf(body).some((message) => CALLERS_RESOURCE_GONE.test(message));
}

const CAPABILITY =
  /\b(?:images?|vision|audio|video|embeddings?|pooling|multimodal|tools?|function calling|completions?|chat)\b[^.]{0,40}?\b(?:not supported|unsupported|not implemented|not enabled)\b|\b(?:does not|doesn't|not) support (?:\w{1,20} ){0,2}?(?:images?|vision|audio|video|embeddings?|pooling|multimodal|tools?|function calling|completions?|chat)\b/;

/**
 * Whether the error says that the server lacks a capability that the request needs, such as image input. llama.cpp
 * reports this with a 500.
 */
export function lacksCapability(body: ErrorBody): boolean {
  return body.isStructured && messagesOf(body).some((message) => CAPABILITY.test(message));
}
