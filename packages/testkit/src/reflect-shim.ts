/*
 * @peculiar/x509 wires itself with tsyringe, which refuses to load without the three functions of the abandoned metadata proposal.
 * They are put in place when no polyfill has been, and this module has to be imported before it.
 */
const store = new WeakMap<object, Map<unknown, unknown>>();

function own(key: unknown, target: object): unknown {
  return store.get(target)?.get(key);
}

if (!("getMetadata" in Reflect)) {
  Object.assign(Reflect, {
    defineMetadata(key: unknown, value: unknown, target: object) {
      const entries = store.get(target) ?? new Map<unknown, unknown>();
      store.set(target, entries.set(key, value));
    },
    getOwnMetadata: own,
    getMetadata(key: unknown, target: object) {
      for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
        const value = own(key, at);
        if (value !== undefined) return value;
      }
      return undefined;
    },
  });
}
