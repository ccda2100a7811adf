const StrykerEnvironment = require('@stryker-mutator/jest-runner/jest-env/node');

/** The mutant that has failed a test, across the files of a run. */
let killed;

/** Skips what is left of a mutant's run after its first failed test: Jest itself only stops after the file. */
module.exports = class Environment extends StrykerEnvironment {
  constructor(config, context) {
    super(config, context);
    const stryker = this.global[this.global.__strykerGlobalNamespace__ ?? '__stryker__'];
    const handle = this.handleTestEvent;
    this.handleTestEvent = async (event, state) => {
      await handle(event, state);
      const mutant = stryker.activeMutant;
      if (mutant === undefined) return;
      if (event.name === 'test_done' && event.test.errors.length > 0) killed = mutant;
      if (event.name === 'test_start' && killed === mutant) event.test.mode = 'skip';
    };
  }
};
