import { ClearcallError } from "../errors";

/** What a thin link leaves of a picture. */
export interface LinkSettings {
  /** Height in pixels at which it is sent. */
  height: number;
  kbps: number;
}

const KEY_FRAME_EVERY = 120;

/** The size at which a frame is sent: never larger than it is, sides even as VP8 wants them. */
export function sentSize(width: number, height: number, sentHeight: number): [number, number] {
  const scale = Math.min(1, sentHeight / height);
  const even = (length: number) => Math.max(2, 2 * Math.round((length * scale) / 2));
  return [even(width), even(height)];
}

/** Whether this browser has the codecs. */
export function hasCodecs(): boolean {
  return "VideoEncoder" in globalThis && "VideoDecoder" in globalThis;
}

/** A call's link in miniature: frames are reduced, coded as VP8 in real time, decoded, and enlarged again. */
export class ThinLink {
  #encoder: VideoEncoder;
  #decoder: VideoDecoder;
  #chunk: EncodedVideoChunk | null = null;
  #arrived: ((frame: VideoFrame) => void) | null = null;
  #lost: ((error: Error) => void) | null = null;
  #small: OffscreenCanvas;
  #large: OffscreenCanvas;
  #count = 0;

  constructor(
    width: number,
    height: number,
    private readonly settings: LinkSettings,
  ) {
    const [sentWidth, sentHeight] = sentSize(width, height, settings.height);
    this.#small = new OffscreenCanvas(sentWidth, sentHeight);
    this.#large = new OffscreenCanvas(width, height);
    const error = (reason: DOMException) => this.#lost?.(reason);
    this.#encoder = new VideoEncoder({ output: (chunk) => (this.#chunk = chunk), error });
    this.#decoder = new VideoDecoder({ output: (frame) => this.#receive(frame), error });
    this.#encoder.configure({
      codec: "vp8",
      width: sentWidth,
      height: sentHeight,
      bitrate: settings.kbps * 1_000,
      bitrateMode: "constant",
      framerate: 30,
      latencyMode: "realtime",
    });
    this.#decoder.configure({ codec: "vp8", optimizeForLatency: true });
  }

  /** Whether the link fits frames of this size and these settings. */
  fits(width: number, height: number, settings: LinkSettings): boolean {
    const sameSize = this.#large.width === width && this.#large.height === height;
    return sameSize && settings.height === this.settings.height && settings.kbps === this.settings.kbps;
  }

  /**
   * Send a frame.
   *
   * @param milliseconds When it was taken; the bit rate is counted by it.
   * @returns The frame as it is received; null if the encoder left it out to keep to the bit rate.
   */
  async send(picture: ImageBitmap, milliseconds: number): Promise<ImageBitmap | null> {
    draw(picture, this.#small);
    const frame = new VideoFrame(this.#small, { timestamp: Math.round(milliseconds * 1_000) });
    this.#chunk = null;
    this.#encoder.encode(frame, { keyFrame: this.#count++ % KEY_FRAME_EVERY === 0 });
    frame.close();
    await this.#encoder.flush();
    return this.#chunk && this.#decode(this.#chunk);
  }

  close(): void {
    this.#lost?.(new ClearcallError("The link was closed."));
    if (this.#encoder.state !== "closed") this.#encoder.close();
    if (this.#decoder.state !== "closed") this.#decoder.close();
  }

  async #decode(chunk: EncodedVideoChunk): Promise<ImageBitmap> {
    const frame = await new Promise<VideoFrame>((resolve, reject) => {
      [this.#arrived, this.#lost] = [resolve, reject];
      this.#decoder.decode(chunk);
    });
    draw(frame, this.#large);
    frame.close();
    return this.#large.transferToImageBitmap();
  }

  #receive(frame: VideoFrame): void {
    this.#arrived?.(frame);
    this.#arrived = null;
  }
}

function draw(picture: ImageBitmap | VideoFrame, canvas: OffscreenCanvas): void {
  const context = canvas.getContext("2d", { alpha: false })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
