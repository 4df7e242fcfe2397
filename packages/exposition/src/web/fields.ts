import { ExpositionError } from "../error.ts";

/** Reads the fields of one mapping of a configuration file, and refuses those that nobody asked for. */
export interface Fields {
  text(name: string): string | undefined;
  boolean(name: string): boolean | undefined;
  texts(name: string): readonly string[] | undefined;
  wholeNumber(name: string): number | undefined;
  /** A mapping within this one; one without fields where the file has none. */
  mapping(name: string): Fields;
  /** All fields, which have to be texts. */
  allTexts(): ReadonlyMap<string, string>;
  error(name: string, message: string): ExpositionError;
  /** Refuses fields that were not read. */
  end(): void;
}

/** A value of a field where nobody keeps a secret, for an error. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/**
 * `place` names the mapping in errors, e.g. `tls_server_config.`. Values are part of an error only where they have to be one of a few, or a
 * number: others may be secrets.
 */
export function readFields(value: unknown, place: string, file: string): Fields {
  const error = (name: string, message: string): ExpositionError =>
    new ExpositionError("invalid_web_config", `${file}: ${place}${name} ${message}`);
  if (value !== undefined && value !== null && (typeof value !== "object" || Array.isArray(value))) {
    const message = `${place === "" ? "the file" : place.slice(0, -1)} has to be a mapping of fields`;
    throw new ExpositionError("invalid_web_config", `${file}: ${message}`);
  }
  const fields = new Map<string, unknown>(Object.entries(value ?? {}));
  const read = new Set<string>();
  function get(name: string): unknown {
    read.add(name);
    return fields.get(name) ?? undefined;
  }
  return {
    error,
    text(name) {
      const field = get(name);
      if (field !== undefined && typeof field !== "string") throw error(name, "has to be a text; put it in quotes");
      return field === "" ? undefined : field;
    },
    boolean(name) {
      const field = get(name);
      if (field !== undefined && typeof field !== "boolean")
        throw error(name, `has to be true or false, not ${shown(field)}`);
      return field;
    },
    wholeNumber(name) {
      const field = get(name);
      if (field !== undefined && !(Number.isSafeInteger(field) && Number(field) >= 0)) {
        throw error(name, `has to be a whole number from 0, not ${shown(field)}`);
      }
      return field as number | undefined;
    },
    texts(name) {
      const field = get(name);
      if (field === undefined) return undefined;
      if (
        !Array.isArray(field) ||
        field.length === 0 ||
        !field.every((item) => typeof item === "string" && item !== "")
      ) {
        throw error(name, "has to be a list of texts with at least one");
      }
      return field as string[];
    },
    mapping: (name) => readFields(get(name), `${place}${name}.`, file),
    allTexts() {
      const texts = new Map<string, string>();
      for (const [name, field] of fields) {
        if (typeof field !== "string") throw error(name, "has to be a text; put it in quotes");
        texts.set(name, field);
      }
      return texts;
    },
    end() {
      const unknown = [...fields.keys()].find((name) => !read.has(name));
      if (unknown !== undefined) throw error(unknown, `is not known; there are ${[...read].join(", ")}`);
    },
  };
}
