/** Names of variables that hold a key. */
const KEY = /KEY|TOKEN|SECRET|PASSWORD/i;

/**
 * Gives every variable of the environment that is not set, and whose name is that of a key, a value: a configuration is
 * simulated without keys, and presets demand one. Returns the undo.
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
