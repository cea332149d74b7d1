/** The worker: everything that costs time happens here, never on the page's thread. */
import { Engine, hasWebGpu } from "./engine";
import { messageOf } from "./errors";
import { framesMissing, Meter } from "./figures";
import { Ladder } from "./ladder";
import type { Answer, Backend, Call, Calls, Loaded, Notice, Result, Settings, Streams } from "./protocol";

const page = self as unknown as {
  postMessage(message: Answer | Notice, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<Call>) => void) | null;
};

let engine: Engine | null = null;
let settings: Settings = { strength: 1, minRate: 0 };
let ladder = new Ladder();
let passing = false;
let warmSize = "";
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;

/** One piece of work with the engine at a time. */
let queue: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = queue.then(work);
  queue = turn.catch(() => undefined);
  return turn;
}

const calls: { [Name in keyof Calls]: (argument: never) => Promise<ReturnType<Calls[Name]>> } = {
  load: (options: Parameters<Calls["load"]>[0]) => inTurn(() => load(options)),
  set: async (changed: Settings) => {
    settings = changed;
    if (!changed.minRate) startAgain();
  },
  sharpen: (frame: ImageBitmap) => inTurn(() => sharpenBitmap(frame)),
  connect: async (streams: Streams) => void pump(streams),
};

async function load({ model, models, runtime, backend }: Parameters<Calls["load"]>[0]): Promise<Loaded> {
  const loaded = await loadOn(backend, (chosen) => Engine.load(model, models, runtime, chosen));
  await engine?.release();
  engine = loaded;
  startAgain();
  return { backend: engine.backend, threads: engine.threads };
}

async function loadOn(backend: Backend | "auto", start: (backend: Backend) => Promise<Engine>): Promise<Engine> {
  if (backend !== "auto") return start(backend);
  return (await hasWebGpu()) ? start("webgpu").catch(() => start("wasm")) : start("wasm");
}

/** Sharpen a frame; null while frames pass through. */
async function sharpen(frame: ImageBitmap | VideoFrame, width: number, height: number): Promise<ImageData | null> {
  if (!engine || ladder.passing || settings.strength === 0) {
    observe(0);
    return null;
  }
  const start = performance.now();
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(frame, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  try {
    await engine.sharpen(image, settings.strength);
  } catch (error) {
    engine = null;
    tell(true, `Sharpening stopped, the original picture goes on: ${messageOf(error)}`);
    return null;
  }
  const size = `${width}x${height}`;
  observe(size === warmSize ? performance.now() - start : 0);
  warmSize = size;
  return image;
}

function observe(milliseconds: number): void {
  const late = settings.minRate > 0 && milliseconds > 1_000 / settings.minRate;
  if (!ladder.observe(late, performance.now())) return;
  tell(
    ladder.passing,
    ladder.passing
      ? "This computer can't keep up, so the original picture goes on for now."
      : "There is time again: sharpening is back.",
  );
}

async function sharpenBitmap(received: ImageBitmap): Promise<Result> {
  const start = performance.now();
  const image = await sharpen(received, received.width, received.height);
  const sharp = image && (await createImageBitmap(image));
  return { received, sharp, milliseconds: performance.now() - start };
}

/** Sharpen frames from one stream into the other until it ends; the source keeps only its newest frame. */
async function pump({ readable, writable, interval }: Streams): Promise<void> {
  const writer = writable.getWriter();
  const meter = new Meter();
  const reader = readable.getReader();
  let before: number | null = null;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const frame = next.value;
      const { displayWidth, displayHeight, timestamp } = frame;
      meter.drop(framesMissing(before, timestamp, interval));
      before = timestamp;
      const start = performance.now();
      await writer.write(await inTurn(() => sharpenFrame(frame)));
      meter.frame(performance.now(), ladder.passing ? 0 : performance.now() - start, displayWidth, displayHeight);
      page.postMessage({ notice: "figures", figures: meter.read(performance.now()) });
      await nextTask();
    }
  } finally {
    await writer.close().catch(() => undefined);
  }
}

async function sharpenFrame(frame: VideoFrame): Promise<VideoFrame> {
  const { displayWidth: width, displayHeight: height, timestamp } = frame;
  const image = await sharpen(frame, width, height);
  if (!image) return frame;
  frame.close();
  return new VideoFrame(image.data, { format: "RGBA", codedWidth: width, codedHeight: height, timestamp });
}

/** Let messages in between two frames, however fast they come. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Forget that frames were late. */
function startAgain(): void {
  ladder = new Ladder();
  if (passing) tell(false, "Sharpening is back.");
}

function tell(now: boolean, message: string): void {
  passing = now;
  page.postMessage({ notice: "passing", passing, message });
}

page.onmessage = async ({ data: { id, name, argument } }) => {
  try {
    const value = await calls[name](argument as never);
    const result = name === "sharpen" ? (value as Result) : null;
    const transfer = result ? [result.received, result.sharp].filter((bitmap) => bitmap !== null) : [];
    page.postMessage({ id, value }, transfer);
  } catch (error) {
    page.postMessage({ id, error: messageOf(error) });
  }
};
