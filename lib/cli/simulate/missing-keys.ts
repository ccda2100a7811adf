/** Matches the names of environment variables that hold a key. */
const KEY = /KEY|TOKEN|SECRET|PASSWORD/i;

/**
 * Gives a value to every unset environment variable with the name of a key, because configurations are simulated
 * without keys but presets require one. Returns a function that restores the environment.
 */
export function fillInKeys(): () => void {
  const environment = process.env;
  process.env = new Proxy(environment, {
    get(target, name): unknown {
      const isMissingKey = typeof name === 'string' && KEY.test(name) && target[name] === undefined;
      return isMissingKey ? 'simulated' : Reflect.get(target, name);
    },
  });
  return () => {
    process.env = environment;
  };
}
