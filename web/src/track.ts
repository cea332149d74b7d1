import { messageOf } from "./errors";
import { Meter, type Figures } from "./figures";
import type { Running } from "./protocol";
import { Sharpener, type SharpenOptions } from "./sharpener";

/** What `sharp.stats()` gives. */
export interface Stats extends Figures {
  /** The model that sharpens: a lighter one than was asked for under load, null while frames pass through. */
  model: string | null;
  /** Whether frames pass through unsharpened for now. */
  passing: boolean;
  /** What has happened last, in a sentence; empty if nothing has. */
  message: string;
  backend: "webgpu" | "wasm" | "none";
  threads: number;
}

/**
 * A sharpened video track: a real `MediaStreamTrack`, for a `<video>`, a peer connection or a recorder.
 *
 * It fires `passthrough` and `resume` (`CustomEvent<Running>`) when sharpening gives way to the original picture, and
 * when it is back; `modelchange` when a lighter or the better model takes over.
 */
export type SharpTrack = MediaStreamTrack & {
  stats(): Stats;
  /** Change the model, the strength or the rate below which frames pass through. */
  set(changed: Pick<SharpenOptions, "model" | "strength" | "minRate">): Promise<void>;
};

interface Output {
  track: MediaStreamTrack;
  figures(): Figures;
  close(): void;
}

interface TrackProcessors {
  MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack; maxBufferSize: number }) => {
    readable: ReadableStream<VideoFrame>;
  };
  MediaStreamTrackGenerator: TrackGenerator;
}

/** Chromium's way to make a track of video frames. */
export type TrackGenerator = new (init: { kind: "video" }) => MediaStreamTrack & {
  writable: WritableStream<VideoFrame>;
};

/**
 * Sharpen a video track.
 *
 * The given track stays yours: `sharp.stop()` doesn't stop it, and when it ends so does the sharpened one. Where
 * sharpening can't run (no WebAssembly SIMD, a model that fails to load), the track that comes back is a copy of the
 * original, `stats().message` says why, and `passthrough` is fired.
 *
 * @example
 * const sharp = await clearcall.sharpen(track, { model: "small", strength: 0.8 });
 * video.srcObject = new MediaStream([sharp]);
 *
 * @throws TypeError Not a live video track.
 */
export async function sharpen(track: MediaStreamTrack, options: SharpenOptions = {}): Promise<SharpTrack> {
  if (track.kind !== "video" || track.readyState !== "live") {
    throw new TypeError(`clearcall sharpens live video tracks; this one is ${track.kind}, ${track.readyState}.`);
  }
  try {
    const sharpener = await Sharpener.load(options);
    const output = hasTrackProcessors() ? await throughStreams(track, sharpener) : throughCanvas(track, sharpener);
    return dress(output, sharpener, "");
  } catch (error) {
    return dress(unchanged(track), null, messageOf(error));
  }
}

/** Give a track its methods and events. */
function dress(output: Output, sharpener: Sharpener | null, failure: string): SharpTrack {
  const { track } = output;
  let state: Running = sharpener?.running ?? { model: null, message: failure };
  const stop = track.stop.bind(track);
  const fire = (type: string) => track.dispatchEvent(new CustomEvent(type, { detail: state }));
  sharpener?.addEventListener("running", (event) => {
    const before = state;
    if (track.readyState === "ended") return;
    state = (event as CustomEvent<Running>).detail;
    fire(state.model === null ? "passthrough" : before.model === null ? "resume" : "modelchange");
  });
  track.addEventListener("ended", () => {
    output.close();
    sharpener?.close();
  });
  if (failure) setTimeout(fire, 0, "passthrough");
  return define(track, {
    stats: (): Stats => ({
      ...output.figures(),
      ...state,
      passing: state.model === null,
      backend: sharpener?.backend ?? ("none" as const),
      threads: sharpener?.threads ?? 0,
    }),
    set: async ({ model, strength, minRate }: SharpenOptions) => {
      await sharpener?.set({ strength, minRate });
      if (model !== undefined) await sharpener?.use(model);
    },
    stop: () => {
      stop();
      output.close();
      sharpener?.close();
    },
  });
}

/** Add methods to an object; they hide what its prototype has of the same name (a track's own `stats`). */
function define<T extends object, Methods extends object>(target: T, methods: Methods): T & Methods {
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(target, name, { value });
  return target as T & Methods;
}

function unchanged(track: MediaStreamTrack): Output {
  const meter = new Meter();
  return { track: track.clone(), figures: () => meter.read(performance.now()), close: () => undefined };
}

function hasTrackProcessors(): boolean {
  return "MediaStreamTrackProcessor" in globalThis && "MediaStreamTrackGenerator" in globalThis;
}

async function throughStreams(track: MediaStreamTrack, sharpener: Sharpener): Promise<Output> {
  const { MediaStreamTrackProcessor, MediaStreamTrackGenerator } = globalThis as unknown as TrackProcessors;
  const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
  const generator = new MediaStreamTrackGenerator({ kind: "video" });
  let figures = new Meter().read(0);
  sharpener.addEventListener("figures", (event) => {
    figures = (event as CustomEvent<Figures>).detail;
  });
  sharpener.addEventListener("failed", () => end(generator));
  const rate = track.getSettings().frameRate;
  await sharpener.connect({ readable, writable: generator.writable, interval: rate ? 1e6 / rate : 0 });
  return { track: generator, figures: () => figures, close: () => undefined };
}

function throughCanvas(source: MediaStreamTrack, sharpener: Sharpener): Output {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false })!;
  const [track] = canvas.captureStream().getVideoTracks() as [MediaStreamTrack];
  const meter = new Meter();
  const close = eachFrame(source, meter, async (frame) => {
    const { received, sharp, milliseconds } = await sharpener.sharpen(frame);
    const { width, height } = received;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(sharp ?? received, 0, 0);
    meter.frame(performance.now(), sharp ? milliseconds : 0, width, height);
    received.close();
    sharp?.close();
  });
  source.addEventListener("ended", () => {
    close();
    end(track);
  });
  return { track, figures: () => meter.read(performance.now()), close };
}

/** End a track and say so, as a track does whose source is gone. */
function end(track: MediaStreamTrack): void {
  if (track.readyState === "ended") return;
  track.stop();
  track.dispatchEvent(new Event("ended"));
}

/** Call `work` with the newest frame whenever it has finished the one before; gives what ends that. */
function eachFrame(track: MediaStreamTrack, meter: Meter, work: (frame: ImageBitmap) => Promise<void>): () => void {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  video.srcObject = new MediaStream([track]);
  void video.play();
  return onVideoFrames(video, meter, work);
}

/** The same for the frames of a `<video>`. */
export function onVideoFrames(
  video: HTMLVideoElement,
  meter: Meter,
  work: (frame: ImageBitmap) => Promise<void>,
): () => void {
  let busy = false;
  let open = true;
  let presented = 0;
  const take = async (): Promise<void> => {
    busy = true;
    try {
      const frame = await createImageBitmap(video).catch(() => null);
      if (frame) await work(frame);
      else meter.drop(1); // the video had no picture at that moment
    } catch (error) {
      if (open) console.warn(`clearcall: a frame was left out (${messageOf(error)})`);
    }
    busy = false;
  };
  const onFrame = (_: number, metadata: { presentedFrames: number }): void => {
    if (!open) return;
    if (presented) meter.drop(metadata.presentedFrames - presented - 1 + Number(busy));
    presented = metadata.presentedFrames;
    if (!busy) void take();
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  return () => {
    open = false;
  };
}
