import type { ApiOperation, ChatBody, EmbeddingBody, ResponseBody } from '../call/body';
import { checkCallOptions, checkChatBody, checkEmbeddingBody, checkResponseBody } from '../call/check-body';
import type { CallOptions } from '../call/context';

/** @throws ERR_AI_BAD_REQUEST that names the invalid fields of the body, or the options. */
export function checkCall(
  operation: ApiOperation,
  body: unknown,
  options: CallOptions,
): asserts body is ChatBody & EmbeddingBody & ResponseBody {
  if (operation === 'chat') checkChatBody(body);
  else if (operation === 'responses') checkResponseBody(body);
  else checkEmbeddingBody(body);
  checkCallOptions(options);
}
