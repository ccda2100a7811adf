/** How a stream that breaks off is recovered. */
export interface StreamOptions {
  /**
   * What happens when a stream breaks off after its first content: 'error' ends it with ERR_AI_STREAM_BROKEN, 'restart'
   * starts the answer over at another endpoint, 'continue' lets another endpoint continue the text. Default 'error'.
   */
  readonly recovery: 'error' | 'restart' | 'continue';
}
