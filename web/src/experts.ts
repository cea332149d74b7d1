import { messageOf } from "./errors";
import { GENERAL, measures, SMALLEST_SIDE, Steady, UNTOUCHED, type Gate } from "./gate";

/** What is kept of a set of weights: a session of ONNX Runtime. */
interface Releasable {
  release(): Promise<void>;
}

type Pixels = Pick<ImageData, "data" | "width" | "height">;

/** The sets of weights of one model; an expert's are loaded in the background when a frame first needs them. */
export class Experts<Session extends Releasable> {
  #ready = new Map<string, Session | null>([[UNTOUCHED, null]]);
  #loading = new Map<string, Promise<void>>();
  #steady: Steady | null = null;
  #size = "";
  #inUse = GENERAL;
  #released = false;

  /**
   * @param model Its name, for what is said about it.
   * @param general The weights for all links.
   * @param gate Null where there are no experts.
   * @param load Loads an expert's weights.
   */
  constructor(
    private readonly model: string,
    private readonly general: Session,
    private readonly gate: Gate | null,
    private readonly load: (expert: string) => Promise<Session>,
  ) {
    this.#ready.set(GENERAL, general);
  }

  /**
   * The weights for a frame; null to leave it as it is.
   *
   * @param alone A picture of its own: what was before it doesn't count, and its weights are waited for. Otherwise the
   *   ones in use go on until they are there.
   */
  async choose(image: Pixels, alone: boolean): Promise<Session | null> {
    if (!this.gate || Math.min(image.width, image.height) < SMALLEST_SIDE) return this.general;
    const wanted = this.#steadyFor(image, alone, this.gate).choose(() =>
      measures(image.data, image.width, image.height),
    );
    const loading = this.#fetch(wanted);
    if (alone) await loading;
    if (this.#ready.has(wanted)) this.#inUse = wanted;
    return this.#ready.get(this.#inUse)!;
  }

  /** Give the memory of all back. */
  async release(): Promise<void> {
    this.#released = true;
    const sessions = new Set([...this.#ready.values()].filter((session) => session !== null));
    this.#ready.clear();
    await Promise.all([...sessions].map((session) => session.release()));
  }

  #steadyFor({ width, height }: Pixels, alone: boolean, gate: Gate): Steady {
    if (alone) return new Steady(gate);
    const size = `${width}x${height}`;
    if (!this.#steady || size !== this.#size) [this.#steady, this.#size] = [new Steady(gate), size];
    return this.#steady;
  }

  #fetch(expert: string): Promise<void> | undefined {
    if (this.#ready.has(expert)) return undefined;
    if (!this.#loading.has(expert)) this.#loading.set(expert, this.#begin(expert));
    return this.#loading.get(expert);
  }

  /** Where it fails the weights for all links stand in for good, so that no frame tries again. */
  async #begin(expert: string): Promise<void> {
    const session = await this.load(expert).catch((error: unknown) => {
      const reason = messageOf(error);
      console.warn(`clearcall: ${this.model} goes on without its weights for ${expert} links (${reason})`);
      return this.general;
    });
    this.#loading.delete(expert);
    if (!this.#released) this.#ready.set(expert, session);
    else if (session !== this.general) await session.release().catch(() => undefined);
  }
}
