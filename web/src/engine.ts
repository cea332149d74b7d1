import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-web";
import { messageOf, ClearcallError } from "./errors";
import { Experts } from "./experts";
import { readGate, readGraph, type Card, type Precision } from "./models";
import { blendRgb, packRgb, roundUp } from "./pixels";
import type { Backend } from "./protocol";
import { makeQueue } from "./queue";

type Runtime = typeof import("onnxruntime-web");

const MOST_THREADS = 4;
const PRECISIONS: Record<Backend, Precision> = { wasm: "int8", webgpu: "float32" };

/** The runtime keeps things on its stack while it waits: to start a session amid another's run could mix them up. */
const onRuntime = makeQueue();

/** Runs a bundle's graphs on the pixels of a canvas. */
export class Engine {
  #rgb = new Uint8Array();

  private constructor(
    readonly backend: Backend,
    readonly threads: number,
    readonly card: Card,
    private readonly runtime: Runtime,
    private readonly experts: Experts<InferenceSession>,
  ) {}

  /**
   * Load the model of a card.
   *
   * @param models Address of the models, `runtime` that of ONNX Runtime's WebAssembly; both end with a slash.
   */
  static async load(card: Card, models: string, runtime: string, backend: Backend): Promise<Engine> {
    const read = (expert?: string) => readGraph(models, card, PRECISIONS[backend], expert);
    const [graph, gate] = await Promise.all([read(), readGate(models, card)]);
    const ort = await loadRuntime(backend, runtime);
    const start = async (content: Uint8Array) => {
      const settings = { executionProviders: [backend], logSeverityLevel: 3 } as const;
      try {
        return await onRuntime(() => ort.InferenceSession.create(content, settings));
      } catch (error) {
        throw new ClearcallError(`The model ${card.name} can't be started (${messageOf(error)}).`);
      }
    };
    const experts = new Experts(card.name, await start(graph), gate, async (expert) => start(await read(expert)));
    return new Engine(backend, ort.env.wasm.numThreads ?? 1, card, ort, experts);
  }

  /**
   * Sharpen pixels in place.
   *
   * @param alone A picture of its own, not the next frame of a stream.
   */
  async sharpen(image: ImageData, strength: number, alone: boolean): Promise<void> {
    const session = await this.experts.choose(image, alone);
    if (session) await this.#run(session, image, strength);
  }

  /** Give its memory back. */
  async release(): Promise<void> {
    await this.experts.release();
  }

  async #run(session: InferenceSession, image: ImageData, strength: number): Promise<void> {
    const { width, height, data } = image;
    const { multiple_of: multiple } = this.card;
    const [columns, rows] = [roundUp(width, multiple), roundUp(height, multiple)];
    const size = columns * rows * 3;
    if (this.#rgb.length !== size) this.#rgb = new Uint8Array(size);
    packRgb(data, width, height, multiple, this.#rgb);
    const frame = new this.runtime.Tensor("uint8", this.#rgb, [1, rows, columns, 3]);
    const { sharp } = await onRuntime(() => session.run({ frame }));
    blendRgb(data, width, height, (sharp as TypedTensor<"uint8">).data, columns, strength);
    (sharp as Tensor).dispose();
  }
}

async function loadRuntime(backend: Backend, base: string): Promise<Runtime> {
  const ort: Runtime =
    backend === "webgpu" ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/wasm");
  ort.env.wasm.wasmPaths = base;
  ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  ort.env.logLevel = "error";
  return ort;
}

interface Adapter {
  isFallbackAdapter?: boolean;
  info?: { isFallbackAdapter?: boolean };
}

/** Whether WebGPU can be used: a graphics card, not one in software, and WebAssembly that can wait for it. */
export async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } };
  if (!gpu || !("Suspending" in WebAssembly)) return false;
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}
