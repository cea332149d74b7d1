import { ClearcallError } from "../errors";

/** `stem of a file name` + `-sharp` + suffix. */
export function sharpName(name: string, suffix: string): string {
  const stem = name.replace(/\.[^.]+$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "-") || "clearcall";
  return `${stem}-sharp.${suffix}`;
}

/** Offer the canvas as a PNG file. */
export async function savePicture(canvas: HTMLCanvasElement, name: string): Promise<void> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new ClearcallError("The picture can't be saved: the browser has no memory left for it.");
  offer(blob, sharpName(name, "png"));
}

/** Records a canvas until it is stopped, then offers the clip. */
export class ClipRecorder {
  #recorder: MediaRecorder;
  #parts: Blob[] = [];

  constructor(canvas: HTMLCanvasElement, name: string) {
    if (!("MediaRecorder" in globalThis)) throw new ClearcallError("This browser can't record clips; try another one.");
    this.#recorder = new MediaRecorder(canvas.captureStream(), { videoBitsPerSecond: 12e6 });
    this.#recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#recorder.onstop = () => {
      const type = this.#recorder.mimeType;
      offer(new Blob(this.#parts, { type }), sharpName(name, type.includes("mp4") ? "mp4" : "webm"));
    };
    this.#recorder.start();
  }

  stop(): void {
    this.#recorder.stop();
    this.#recorder.stream.getTracks().forEach((track) => track.stop());
  }
}

function offer(blob: Blob, name: string): void {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
