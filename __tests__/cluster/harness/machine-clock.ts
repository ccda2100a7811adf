// The first import of a member: shifts the wall clock that the whole process reads.
const shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0);
const RealDate = Date;
const realNow = Date.now.bind(Date);

/** The machine's wall clock, without the shift. */
export function trueNow(): number {
  return realNow();
}

if (shiftMs !== 0) {
  const now = () => realNow() + shiftMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, self) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, self) as Date,
    apply: () => new RealDate(now()).toString(),
    get: (target, name): unknown => (name === 'now' ? now : Reflect.get(target, name)),
  });
  Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + shiftMs });
}
