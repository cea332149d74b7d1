import { ClearcallError } from "./errors";
import type { Answer, Backend, Call, Calls, Notice, Result, Running, Settings, Streams } from "./protocol";
import { checkSupport } from "./support";

/** How to sharpen; all have a default. */
export interface SharpenOptions {
  /** Name of a model that the server offers; `small` by default. */
  model?: string;
  /** 0 leaves frames as they are, 1 (default) is the model's output, up to 2 exaggerates it. */
  strength?: number;
  /** A lighter model, at last the original, takes over when fewer a second can be sharpened; default 12, 0: never. */
  minRate?: number;
  /** Address of the models; `models/` beside this module by default. */
  models?: string | URL;
  /** Address of ONNX Runtime's WebAssembly; `ort/` beside this module by default. */
  runtime?: string | URL;
  /** `auto` (default) takes WebGPU where there is a graphics card, else WebAssembly. */
  backend?: Backend | "auto";
}

const STRONGEST = 2;

/**
 * A model in a worker of its own; `Sharpener.load` makes one.
 *
 * It fires `running` (`CustomEvent<Running>`) when another model, or the original picture, takes over.
 */
export class Sharpener extends EventTarget {
  readonly backend: Backend = "wasm";
  readonly threads: number = 1;
  /** What becomes of frames now. */
  running: Running = { model: null, message: "" };
  #worker: Worker;
  #settings: Settings = { strength: 1, minRate: 12 };
  #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #last = 0;
  #failed = false;

  private constructor(private readonly options: SharpenOptions) {
    super();
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Answer | Notice>) => this.#hear(data);
    this.#worker.onerror = (event) => this.#fail(event.message || "its program can't be loaded");
  }

  /**
   * Load a model into a worker.
   *
   * @throws ClearcallError This browser can't run models, or the model can't be loaded.
   */
  static async load(options: SharpenOptions = {}): Promise<Sharpener> {
    checkSupport();
    const sharpener = new Sharpener(options);
    try {
      await sharpener.set(options);
      await sharpener.use(options.model ?? "small");
    } catch (error) {
      sharpener.close();
      throw error;
    }
    return sharpener;
  }

  /** Change to another model; the one in use stays if that fails. */
  async use(model: string): Promise<void> {
    const { models = "models/", runtime = "ort/", backend = "auto" } = this.options;
    const absolute = (address: string | URL) => new URL(address, import.meta.url).href;
    const options = { model, models: absolute(models), runtime: absolute(runtime), backend };
    Object.assign(this, await this.#call("load", options));
  }

  /** Change the strength, or the rate below which frames pass through. */
  async set({ strength, minRate }: Partial<Settings>): Promise<void> {
    const settings = { strength: strength ?? this.#settings.strength, minRate: minRate ?? this.#settings.minRate };
    if (!(settings.strength >= 0 && settings.strength <= STRONGEST)) {
      throw new ClearcallError(`The strength must lie between 0 and ${STRONGEST}; ${settings.strength} does not.`);
    }
    this.#settings = settings;
    await this.#call("set", settings);
  }

  /**
   * Sharpen one frame, which is handed over and comes back with the result; await it before the next.
   *
   * Of a model with experts, a frame uses weights that are there already, chosen with regard to those before it. With
   * `alone`, for a picture of its own, the choice is by this one only, and its weights are waited for.
   */
  async sharpen(frame: ImageBitmap, { alone = false } = {}): Promise<Result> {
    if (this.#failed) return { received: frame, sharp: null, milliseconds: 0 };
    return this.#call("sharpen", { frame, alone }, [frame]);
  }

  /** Sharpen a stream into another, inside the worker. */
  connect(streams: Streams): Promise<void> {
    return this.#call("connect", streams, [streams.readable, streams.writable] as unknown as Transferable[]);
  }

  /** End the worker. */
  close(): void {
    this.#worker.terminate();
    this.#fail("it was closed");
  }

  #call<Name extends keyof Calls>(
    name: Name,
    argument: Parameters<Calls[Name]>[0],
    transfer: Transferable[] = [],
  ): Promise<ReturnType<Calls[Name]>> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, argument } as Call, transfer);
    });
  }

  #hear(message: Answer | Notice): void {
    if ("notice" in message) {
      if (message.notice === "running") this.running = message.running;
      const detail = message.notice === "running" ? message.running : message.figures;
      this.dispatchEvent(new CustomEvent(message.notice, { detail }));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new ClearcallError(message.error));
    else waiting?.resolve(message.value as never);
  }

  #fail(reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    const error = new ClearcallError(`The sharpening worker has stopped: ${reason}.`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.dispatchEvent(new Event("failed"));
    this.running = { model: null, message: error.message };
    this.dispatchEvent(new CustomEvent("running", { detail: this.running }));
  }
}
