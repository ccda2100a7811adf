const Sequencer = require('@jest/test-sequencer').default;

/** The shortest files first: most mutants fail one of them, and the run of a mutant ends at its first failure. */
module.exports = class ShortestFirst extends Sequencer {
  sort(tests) {
    const duration = (test) => test.duration ?? Number.POSITIVE_INFINITY;
    return super.sort(tests).sort((one, other) => duration(one) - duration(other));
  }
};
