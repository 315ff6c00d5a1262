import { InvalidArgumentError } from "../domain/errors.ts";

/** Environment variables, by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Fills `${NAME}` and `${NAME:-default}` in every string of a configuration, once: what a variable holds is not looked
 * at again. `$${` stands for `${` itself.
 *
 * @throws InvalidArgumentError for a variable that is not set; it names the variable and the place
 */
export function fillPlaceholders(value: unknown, variables: Variables, place: string): unknown {
  if (typeof value === "string") return fillText(value, variables, place);
  if (Array.isArray(value)) return value.map((item, index) => fillPlaceholders(item, variables, `${place}[${index}]`));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [key, fillPlaceholders(field, variables, place === "" ? key : `${place}.${key}`)]),
  );
}

function fillText(text: string, variables: Variables, place: string): string {
  return text.replaceAll(
    /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (whole, escaped: string, name: string, fallback?: string) => {
      if (escaped !== "") return whole.slice(1);
      const value = variables[name] || fallback;
      if (value === undefined)
        throw new InvalidArgumentError("config", `${place} needs the environment variable ${name}, which is not set`);
      return value;
    },
  );
}
