/** The type of an object while it is being filled. All other code sees its fields as readonly. */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };
