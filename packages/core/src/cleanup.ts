// The language's DisposableStack and AsyncDisposableStack need Node.js 24; the packages promise 22.15.

/** Steps that undo what was done, the last one first. Disposing again does nothing; every step runs, whatever the others throw. */
export interface Cleanup extends Disposable {
  /** Takes what has to be disposed of, and hands it back. */
  use<T extends Disposable>(value: T): T;
  defer(step: () => void): void;
}

/** A `Cleanup` whose steps may wait; they run one after the other. */
export interface AsyncCleanup extends AsyncDisposable {
  /** Takes what has to be disposed of, and hands it back. */
  use<T extends AsyncDisposable | Disposable>(value: T): T;
  defer(step: () => Promise<void> | void): void;
  /** Hands all steps over to a new one; disposing of this one then does nothing. */
  move(): AsyncCleanup;
}

/** Disposing throws the step's error, or an AggregateError of several. */
export function createCleanup(): Cleanup {
  const steps: (() => void)[] = [];
  return {
    use(value) {
      steps.push(() => value[Symbol.dispose]());
      return value;
    },
    defer: (step) => void steps.push(step),
    [Symbol.dispose]() {
      const failures: unknown[] = [];
      for (const step of steps.splice(0).reverse()) {
        try {
          step();
        } catch (error) {
          failures.push(error);
        }
      }
      throwAll(failures);
    },
  };
}

/** Disposing rejects with the step's error, or with an AggregateError of several. */
export function createAsyncCleanup(): AsyncCleanup {
  const steps: (() => PromiseLike<void> | void)[] = [];
  return {
    use(value) {
      steps.push(() => (Symbol.asyncDispose in value ? value[Symbol.asyncDispose]() : value[Symbol.dispose]()));
      return value;
    },
    defer: (step) => void steps.push(step),
    move() {
      const moved = createAsyncCleanup();
      for (const step of steps.splice(0)) moved.defer(async () => step());
      return moved;
    },
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (const step of steps.splice(0).reverse()) {
        try {
          await step();
        } catch (error) {
          failures.push(error);
        }
      }
      throwAll(failures);
    },
  };
}

function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} steps of a clean-up failed`);
}
