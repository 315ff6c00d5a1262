import { DependencyMissingError } from "../domain/errors.ts";

/**
 * Runs `load` (an `import()` of an optional package) and turns "not installed" into an error that names the package.
 */
export async function loadDependency<Module>(store: string, dependency: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
      throw new DependencyMissingError(store, dependency, { cause: error });
    }
    throw error;
  }
}
