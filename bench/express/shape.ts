/** Events of a streamed answer. */
export const EVENTS = 60;
