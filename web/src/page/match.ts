/** Which of the frames that were sent a picture is that came back. */

const COLUMNS = 32;
const ROWS = 18;
const MOST_FRAMES = 15;
/** The best match must be this much closer than the middle one, or nothing moves and any frame would do. */
const DISTINCT = 0.6;

export type Thumbnail = Uint8Array;

/** A frame that was sent, and when. */
export interface Sent {
  picture: ImageBitmap;
  at: number;
  thumbnail: Thumbnail;
}

/** The index of the thumbnail that is most like this one (-1: there are none), and whether it stands out. */
export function nearest(wanted: Thumbnail, thumbnails: readonly Thumbnail[]): { index: number; distinct: boolean } {
  const distances = thumbnails.map((one) => difference(one, wanted));
  const least = Math.min(...distances);
  const middle = [...distances].sort((a, b) => a - b)[distances.length >> 1] ?? 0;
  return { index: distances.indexOf(least), distinct: least < DISTINCT * middle };
}

function difference(first: Thumbnail, second: Thumbnail): number {
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += Math.abs(first[i]! - second[i]!);
  return sum;
}

/** Keeps the latest frames that were sent. */
export class SentFrames {
  #sent: Sent[] = [];
  #context = new OffscreenCanvas(COLUMNS, ROWS).getContext("2d", { willReadFrequently: true, alpha: false })!;

  /** Keep a frame, which is this object's from now on. */
  keep(picture: ImageBitmap, at: number): void {
    this.#sent.push({ picture, at, thumbnail: this.#shrink(picture) });
    if (this.#sent.length > MOST_FRAMES) this.#sent.shift()!.picture.close();
  }

  /** The latest frame, which is sent once more; null where there is none. It stays this object's. */
  again(at: number): ImageBitmap | null {
    const latest = this.#sent.at(-1);
    if (latest) latest.at = at;
    return latest?.picture ?? null;
  }

  /** The frame of a picture that came back; earlier ones are let go. It is closed by the next `match` or `clear`. */
  match(returned: ImageBitmap): (Sent & { distinct: boolean }) | null {
    const thumbnails = this.#sent.map(({ thumbnail }) => thumbnail);
    const { index, distinct } = nearest(this.#shrink(returned), thumbnails);
    for (const { picture } of this.#sent.splice(0, Math.max(0, index))) picture.close();
    return index < 0 ? null : { ...this.#sent[0]!, distinct };
  }

  clear(): void {
    for (const { picture } of this.#sent.splice(0)) picture.close();
  }

  #shrink(picture: ImageBitmap): Thumbnail {
    this.#context.imageSmoothingQuality = "medium";
    this.#context.drawImage(picture, 0, 0, COLUMNS, ROWS);
    const { data } = this.#context.getImageData(0, 0, COLUMNS, ROWS);
    return Uint8Array.from({ length: COLUMNS * ROWS }, (_, i) => data[4 * i + 1]!);
  }
}
