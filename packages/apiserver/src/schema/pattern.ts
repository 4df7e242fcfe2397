import type { Assertion, CharClass, PatternNode } from "./pattern-parse.ts";
import { parsePattern, PatternSyntaxError } from "./pattern-parse.ts";

/** A compiled regular expression. */
export interface Pattern {
  readonly source: string;
  /** True when the expression matches anywhere in `text`. Time grows linearly with the text's length, whatever the expression. */
  test(text: string): boolean;
}

type Instruction =
  | { readonly op: "char"; readonly accepts: CharClass }
  | { readonly op: "assert"; readonly assertion: Assertion }
  | { readonly op: "split"; readonly first: number; readonly second: number }
  | { readonly op: "jump"; readonly to: number }
  | { readonly op: "match" };

interface State {
  readonly pending: readonly number[];
  readonly previous: number;
  readonly next: Map<number, State | "match">;
}

const largestProgram = 10_000;
const cachedStates = 500;
const cachedSteps = 500;
const none = -1;

/**
 * Compiles an expression in the syntax of Go's regexp package, which is what schemas of Kubernetes use. JavaScript's own engine would
 * read some of them differently and backtrack for ever on others, so the expression runs as an automaton: no input can make it slow.
 *
 * Throws PatternSyntaxError, worded as Go words it.
 */
export function compilePattern(source: string): Pattern {
  const program = assemble(parsePattern(source), source);
  const states = new Map<string, State>();
  const start = stateOf([], none);

  function stateOf(pending: readonly number[], previous: number): State {
    // What came before matters to assertions only as: nothing, a line break, a word character, anything else.
    const context = previous === none || previous === 10 ? previous : isWord(previous) ? 97 : 32;
    const key = `${context}:${pending.join(",")}`;
    let state = states.get(key);
    if (state === undefined) {
      if (states.size >= cachedStates) states.clear();
      state = { pending, previous: context, next: new Map() };
      states.set(key, state);
    }
    return state;
  }

  function step(state: State, code: number): State | "match" {
    const seen = new Set<number>();
    const stack = [...state.pending, 0];
    const after = new Set<number>();
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const instruction = program[at];
      switch (instruction?.op) {
        case "match":
          return "match";
        case "char":
          if (code !== none && instruction.accepts(code)) after.add(at + 1);
          break;
        case "assert":
          if (holds(instruction.assertion, state.previous, code)) stack.push(at + 1);
          break;
        case "split":
          stack.push(instruction.first, instruction.second);
          break;
        case "jump":
          stack.push(instruction.to);
          break;
        case undefined:
          break;
      }
    }
    return stateOf(
      [...after].sort((left, right) => left - right),
      code,
    );
  }

  function advance(state: State, code: number): State | "match" {
    let next = state.next.get(code);
    if (next === undefined) {
      next = step(state, code);
      if (state.next.size >= cachedSteps) state.next.clear();
      state.next.set(code, next);
    }
    return next;
  }

  return {
    source,
    test(text) {
      let state = start;
      for (const char of text) {
        const next = advance(state, char.codePointAt(0) ?? none);
        if (next === "match") return true;
        state = next;
      }
      return advance(state, none) === "match";
    },
  };
}

function assemble(tree: PatternNode, source: string): Instruction[] {
  const program: Instruction[] = [];
  emit(tree);
  program.push({ op: "match" });
  return program;

  function emit(node: PatternNode): void {
    if (program.length > largestProgram) {
      throw new PatternSyntaxError(`error parsing regexp: expression too large: \`${source}\``);
    }
    switch (node.kind) {
      case "char":
        program.push({ op: "char", accepts: node.accepts });
        return;
      case "assert":
        program.push({ op: "assert", assertion: node.assertion });
        return;
      case "sequence":
        node.nodes.forEach(emit);
        return;
      case "choice": {
        const jumps: number[] = [];
        node.nodes.forEach((branch, index) => {
          if (index === node.nodes.length - 1) return emit(branch);
          const split = reserve();
          emit(branch);
          jumps.push(reserve());
          program[split] = { op: "split", first: split + 1, second: program.length };
        });
        for (const jump of jumps) program[jump] = { op: "jump", to: program.length };
        return;
      }
      case "repeat":
        return emitRepeat(node.node, node.min, node.max);
    }
  }

  function emitRepeat(node: PatternNode, min: number, max: number): void {
    for (let count = 0; count < min; count++) emit(node);
    if (max === Infinity) {
      const split = reserve();
      emit(node);
      program.push({ op: "jump", to: split });
      program[split] = { op: "split", first: split + 1, second: program.length };
      return;
    }
    const splits: number[] = [];
    for (let count = min; count < max; count++) {
      splits.push(reserve());
      emit(node);
    }
    for (const split of splits) program[split] = { op: "split", first: split + 1, second: program.length };
  }

  function reserve(): number {
    return program.push({ op: "match" }) - 1;
  }
}

function holds(assertion: Assertion, before: number, after: number): boolean {
  switch (assertion) {
    case "textStart":
      return before === none;
    case "textEnd":
      return after === none;
    case "lineStart":
      return before === none || before === 10;
    case "lineEnd":
      return after === none || after === 10;
    case "wordBoundary":
      return isWord(before) !== isWord(after);
    case "noWordBoundary":
      return isWord(before) === isWord(after);
  }
}

function isWord(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
}
