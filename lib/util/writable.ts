/** An object while it is filled: its fields are readonly for all others. */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };
