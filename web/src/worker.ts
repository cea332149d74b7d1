/** The worker: everything that costs time happens here, never on the page's thread. */
import { Engine, hasWebGpu } from "./engine";
import { ladderOf, readCard } from "./models";
import { messageOf } from "./errors";
import { framesMissing, Meter } from "./figures";
import { Ladder } from "./ladder";
import { makeQueue } from "./queue";
import { Shelf } from "./shelf";
import type { Answer, Backend, Call, Calls, Loaded, Notice, Picture, Result, Settings, Streams } from "./protocol";

const page = self as unknown as {
  postMessage(message: Answer | Notice, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<Call>) => void) | null;
};

let shelf: Shelf | null = null;
let settings: Settings = { strength: 1, minRate: 0 };
let ladder = new Ladder(0);
let running: string | null = null;
let warm = "";
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false })!;

const inTurn = makeQueue();
const loading = makeQueue();

const calls: { [Name in keyof Calls]: (argument: never) => Promise<ReturnType<Calls[Name]>> } = {
  load: (options: Parameters<Calls["load"]>[0]) => loading(() => load(options)),
  set: async (changed: Settings) => {
    settings = changed;
    if (!changed.minRate) startAgain();
  },
  sharpen: (picture: Picture) => inTurn(() => sharpenBitmap(picture)),
  connect: async (streams: Streams) => void pump(streams),
};

/** Load a model; frames go on with the one before meanwhile. Lighter ones follow when they are needed. */
async function load({ model, models, runtime, backend }: Parameters<Calls["load"]>[0]): Promise<Loaded> {
  const card = await readCard(models, model);
  const engine = await loadOn(backend, (chosen) => Engine.load(card, models, runtime, chosen));
  const loadLighter = async (name: string) => Engine.load(await readCard(models, name), models, runtime, engine.backend);
  const loaded = new Shelf(await ladderOf(models, card), engine, loadLighter, leftOut);
  const before = shelf;
  await inTurn(async () => {
    await before?.release();
    shelf = loaded;
    startAgain();
  });
  return { backend: engine.backend, threads: engine.threads };
}

async function loadOn(backend: Backend | "auto", start: (backend: Backend) => Promise<Engine>): Promise<Engine> {
  if (backend !== "auto") return start(backend);
  return (await hasWebGpu()) ? start("webgpu").catch(() => start("wasm")) : start("wasm");
}

/** Sharpen a frame, of a stream or `alone`; null while frames pass through. */
async function sharpen(
  frame: ImageBitmap | VideoFrame,
  width: number,
  height: number,
  alone: boolean,
): Promise<ImageData | null> {
  const engine = settings.strength === 0 ? null : (shelf?.at(ladder.level) ?? null);
  if (!engine) {
    observe(0);
    return null;
  }
  const start = performance.now();
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(frame, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  const { name } = engine.card;
  try {
    await engine.sharpen(image, settings.strength, alone);
  } catch (error) {
    shelf?.leaveOut(name);
    leftOut(name, messageOf(error));
    return null;
  }
  const size = `${name} ${width}x${height}`;
  observe(size === warm ? performance.now() - start : 0);
  warm = size;
  return image;
}

/** What the ladder's level stands for. */
function nameOf(level: number): string {
  return shelf?.names[level] ?? "the original picture";
}

function observe(milliseconds: number): void {
  const lateness = (milliseconds * settings.minRate) / 1_000;
  const before = ladder.level;
  if (!ladder.observe(lateness > 1, performance.now(), Math.floor(lateness))) return;
  tell(
    ladder.level > before
      ? `This computer can't keep up with ${nameOf(before)}; ${nameOf(ladder.level)} takes over for now.`
      : `There is time again: ${nameOf(ladder.level)} is back.`,
  );
}

/** A model has failed, and is off the shelf. */
function leftOut(name: string, reason: string): void {
  ladder = new Ladder(shelf?.names.length ?? 0);
  tell(`The model ${name} failed, ${nameOf(0)} goes on: ${reason}`);
}

async function sharpenBitmap({ frame: received, alone }: Picture): Promise<Result> {
  const start = performance.now();
  const image = await sharpen(received, received.width, received.height, alone);
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
      const sharp = await inTurn(() => sharpenFrame(frame));
      await writer.write(sharp);
      const milliseconds = sharp === frame ? 0 : performance.now() - start;
      meter.frame(performance.now(), milliseconds, displayWidth, displayHeight);
      page.postMessage({ notice: "figures", figures: meter.read(performance.now()) });
      await nextTask();
    }
  } finally {
    await writer.close().catch(() => undefined);
  }
}

async function sharpenFrame(frame: VideoFrame): Promise<VideoFrame> {
  const { displayWidth: width, displayHeight: height, timestamp } = frame;
  const image = await sharpen(frame, width, height, false);
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
  ladder = new Ladder(shelf?.names.length ?? 0);
  if (running !== nameOf(0)) tell(running === null && !warm ? "" : `Sharpening with ${nameOf(0)}.`);
}

function tell(message: string): void {
  running = shelf?.names[ladder.level] ?? null;
  page.postMessage({ notice: "running", running: { model: running, message } });
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
