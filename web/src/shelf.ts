import type { Engine } from "./engine";
import { messageOf } from "./errors";

/** The models of an overload ladder, best first; lighter ones are loaded in the background when they are needed. */
export class Shelf {
  #engines = new Map<string, Engine>();
  #loading = new Set<string>();

  /**
   * @param names Best first; the first is `first`.
   * @param load Loads another.
   * @param onFailure Told the name of a model that can't be loaded, which is left out, and why.
   */
  constructor(
    public names: string[],
    first: Engine,
    private readonly load: (name: string) => Promise<Engine>,
    private readonly onFailure: (name: string, reason: string) => void,
  ) {
    this.#engines.set(names[0]!, first);
  }

  /** The engine of a level; null below the last, and while it is being loaded. */
  at(level: number): Engine | null {
    const name = this.names[level];
    if (name === undefined) return null;
    const engine = this.#engines.get(name) ?? null;
    if (!engine && !this.#loading.has(name)) void this.#fetch(name);
    return engine;
  }

  /** Go on without a model. */
  leaveOut(name: string): void {
    this.names = this.names.filter((other) => other !== name);
    void this.#engines.get(name)?.release().catch(() => undefined);
    this.#engines.delete(name);
  }

  /** Give the memory of all back. */
  async release(): Promise<void> {
    await Promise.all([...this.#engines.values()].map((engine) => engine.release()));
    this.#engines.clear();
  }

  async #fetch(name: string): Promise<void> {
    this.#loading.add(name);
    try {
      this.#engines.set(name, await this.load(name));
    } catch (error) {
      this.leaveOut(name);
      this.onFailure(name, messageOf(error));
    }
    this.#loading.delete(name);
  }
}
