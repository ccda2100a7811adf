/** What is owed, and what is left over, is told at most this often, in milliseconds. */
export const FLUSH_MS = 250;
/** How soon a call asks again while nothing may start, in milliseconds. */
export const CLOSED_RETRY_MS = 1_000;
