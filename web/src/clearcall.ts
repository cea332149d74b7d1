/**
 * clearcall in the browser: sharpens the pictures of a video call, in a worker, without sending them anywhere.
 *
 * @example
 * import * as clearcall from "/clearcall.js";
 * const sharp = await clearcall.sharpen(track, { model: "small", strength: 0.8 });
 * sharp.addEventListener("passthrough", (event) => console.warn(event.detail.message));
 * video.srcObject = new MediaStream([sharp]);
 */
import { modelNames } from "./models";

export { ClearcallError } from "./errors";
export { Refused, RemoteSharpener, type RemoteOptions, type RemoteStats } from "./remote";
export { Sharpener, type SharpenOptions } from "./sharpener";
export { sharpen, type SharpTrack, type Stats } from "./track";
export type { Result, Running } from "./protocol";

/** Names of the models that the server offers. */
export function models(base: string | URL = "models/"): Promise<string[]> {
  return modelNames(new URL(base, import.meta.url).href);
}
