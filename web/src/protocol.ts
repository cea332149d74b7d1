/** What the page and the worker say to each other: numbered calls with one answer each, and events. */

/** Where inference runs. */
export type Backend = "webgpu" | "wasm";

/** What can be changed at any time. */
export interface Settings {
  /** 0 leaves frames as they are, 1 is the model's output, up to 2 exaggerates it. */
  strength: number;
  /** A lighter model, at last the original, takes over when this many frames a second can't be sharpened; 0: never. */
  minRate: number;
}

export interface Calls {
  load(options: { model: string; models: string; runtime: string; backend: Backend | "auto" }): Loaded;
  set(settings: Settings): void;
  sharpen(picture: Picture): Result;
  connect(streams: Streams): void;
}

export interface Loaded {
  backend: Backend;
  threads: number;
}

export interface Picture {
  frame: ImageBitmap;
  /** A picture of its own, not the next frame of a stream. */
  alone: boolean;
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

/** What becomes of frames. */
export interface Running {
  /** The model that sharpens; null while frames pass through. */
  model: string | null;
  /** What has happened, in a sentence for a person. */
  message: string;
}

/** What the worker says on its own. */
export type Notice =
  | { notice: "running"; running: Running }
  | { notice: "figures"; figures: import("./figures").Figures };

export type Call = { [Name in keyof Calls]: { id: number; name: Name; argument: Parameters<Calls[Name]>[0] } }[keyof Calls];

export type Answer = { id: number; value: unknown } | { id: number; error: string };
