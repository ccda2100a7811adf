export interface StreamOptions {
  /**
   * What to do when a stream dies after its first content: 'error' ends it with ERR_AI_STREAM_BROKEN, 'restart' asks
   * another endpoint anew, 'continue' asks another to go on. Default 'error'.
   */
  readonly recovery: 'error' | 'restart' | 'continue';
}
