import fc from 'fast-check';
import { OverlapDetector, type OverlapResult } from '../../lib/stream/overlap-detector';

const ANSWERS = [
  'Thank you for writing to us. Your parcel left our house yesterday evening and is with the carrier now; it should ' +
    'be with you tomorrow before noon.\n\nIf nobody is at home, the driver leaves it with a neighbour.',
  'Die Lieferung nach Köln verzögert sich um zwei Tage, weil die Straße gesperrt ist. Größere Möbel – auch 🛋️ – ' +
    'kommen am Freitag.',
  '1. Open the **settings**.\n2. Choose `Orders`, then "Return".\n3. Print the label: 49 × 99 mm, 1.25 kg.\n',
  '您的包裹昨天晚上已经离开我们的仓库，现在由承运人运送，明天中午之前应该会送到。如果家中无人，司机会把它交给邻居。',
];

/** The joint of a second text that arrives in pieces of so many code units, by turns. */
function jointOf(before: string, after: string, sizes: readonly number[] = [5]): OverlapResult {
  const join = new OverlapDetector(before);
  for (let at = 0, turn = 0; at < after.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    const joint = join.add(after.slice(at, at + size));
    if (joint) return joint;
    at += size;
  }
  return join.end();
}

function joined(before: string, after: string, sizes?: readonly number[]): string {
  const joint = jointOf(before, after, sizes);
  return joint.kind === 'anew' ? after : before + after.slice(joint.repeated);
}

const anyAnswer = fc.constantFrom(...ANSWERS);
const anySizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

describe('an answer that goes on from a text', () => {
  it('loses and repeats no character wherever it was cut, when it repeats nothing', () => {
    for (const answer of ANSWERS) {
      for (let cut = 24; cut < answer.length; cut++) {
        expect(joined(answer.slice(0, cut), answer.slice(cut))).toBe(answer);
      }
    }
  });

  it('loses and repeats no character when it repeats the end, however much of it and in whatever pieces', () => {
    fc.assert(
      fc.property(
        anyAnswer,
        fc.nat(),
        fc.integer({ min: 8, max: 1_000 }),
        anySizes,
        (answer, at, overlap, sizes) => {
          const cut = 24 + (at % (answer.length - 24));
          const from = Math.max(0, cut - overlap);
          // A few signs and digits might be meant twice.
          fc.pre(/\p{L}\p{M}*\p{L}/u.test(answer.slice(from, cut)));
          expect(joined(answer.slice(0, cut), answer.slice(from), sizes)).toBe(answer);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('may repeat the word that was cut from its start', () => {
    for (const answer of ANSWERS.slice(0, 2)) {
      for (const { index, 0: word } of answer.matchAll(/\p{L}{3,}/gu)) {
        for (let cut = Math.max(24, index + 2); cut <= index + word.length; cut++) {
          expect(joined(answer.slice(0, cut), answer.slice(index))).toBe(answer);
        }
      }
    }
  });

  it('says the same in whatever pieces it comes', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', 'é'), maxLength: 60 });
    fc.assert(
      fc.property(few, few, anySizes, (before, after, sizes) => {
        const whole = new OverlapDetector(before);
        whole.add(after);
        expect(jointOf(before, after, sizes)).toEqual(whole.end());
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['hel', 'lo', 'hello'],
    ['It costs 1', '1.50', 'It costs 11.50'],
    ['very', ' very good', 'very very good'],
    ['-----', '-----|', '----------|'],
    ['Your parc', 'parcel is', 'Your parcel is'],
  ])('takes no letter, digit or sign for a repetition by itself: %j and %j', (before, after, whole) => {
    expect(joined(before, after)).toBe(whole);
  });

  it('is one that begins anew when it begins as the first did and goes another way', () => {
    const [answer = ''] = ANSWERS;
    const anew = 'Thank you for writing to us! We have looked into it.';
    expect(jointOf(answer.slice(0, 60), anew)).toEqual({ kind: 'anew' });
    expect(jointOf(`${answer} ${'x'.repeat(2_000)}`, answer)).toEqual({ kind: 'anew' });
    expect(jointOf('The shop is open until six. ', 'The shop has a bell.')).toEqual({
      kind: 'goes-on',
      repeated: 0,
    });
  });

  it('is held only while it could still repeat more', () => {
    const [answer = ''] = ANSWERS;
    expect(new OverlapDetector(answer).add(' Is there')).toEqual({ kind: 'goes-on', repeated: 0 });
    expect(new OverlapDetector(answer).add(' ')).toBeUndefined();
    expect(new OverlapDetector('x'.repeat(50_000)).add('x'.repeat(1_001))).toEqual({
      kind: 'goes-on',
      repeated: 1_000,
    });
  });
});
