/** What the page and the worker say to each other: numbered calls with one answer each, and events. */

/** Where inference runs. */
export type Backend = "webgpu" | "wasm";

/** What can be changed at any time. */
export interface Settings {
  /** 0 leaves frames as they are, 1 is the model's output, up to 2 exaggerates it. */
  strength: number;
  /** Frames pass through when sharpening can't give this many a second; 0 always sharpens. */
  minRate: number;
}

export interface Calls {
  load(options: { model: string; models: string; runtime: string; backend: Backend | "auto" }): Loaded;
  set(settings: Settings): void;
  sharpen(frame: ImageBitmap): Result;
  connect(streams: Streams): void;
}

export interface Loaded {
  backend: Backend;
  threads: number;
}

export interface Result {
  /** The frame that was given. */
  received: ImageBitmap;
  /** The sharpened frame; null while frames pass through. */
  sharp: ImageBitmap | null;
  milliseconds: number;
}

export interface Streams {
  readable: ReadableStream<VideoFrame>;
  writable: WritableStream<VideoFrame>;
  /** Microseconds between two frames, where the source tells. */
  interval: number;
}

/** What the worker says on its own. */
export type Notice =
  | { notice: "passing"; passing: boolean; message: string }
  | { notice: "figures"; figures: import("./figures").Figures };

export type Call = { [Name in keyof Calls]: { id: number; name: Name; argument: Parameters<Calls[Name]>[0] } }[keyof Calls];

export type Answer = { id: number; value: unknown } | { id: number; error: string };
