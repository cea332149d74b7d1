/** What a stream of frames comes to. */
export interface Figures {
  /** Frames delivered, sharpened or passed through. */
  frames: number;
  /** Frames that were left out because newer ones had arrived. */
  dropped: number;
  /** Frames delivered a second, over the last two seconds. */
  fps: number;
  /** Median milliseconds that sharpening took of late (the last frame's where none comes); 0 while they pass through. */
  milliseconds: number;
  width: number;
  height: number;
}

const WINDOW_MS = 2_000;

interface Sample {
  at: number;
  milliseconds: number;
}

/** Counts frames and keeps the figures of the last two seconds. */
export class Meter {
  #samples: Sample[] = [];
  #figures: Figures = { frames: 0, dropped: 0, fps: 0, milliseconds: 0, width: 0, height: 0 };

  /** A frame was delivered at `now`, `milliseconds` of work after it came. */
  frame(now: number, milliseconds: number, width: number, height: number): void {
    this.#samples.push({ at: now, milliseconds });
    Object.assign(this.#figures, { width, height });
    this.#figures.frames++;
  }

  /** Frames were left out. */
  drop(count: number): void {
    this.#figures.dropped += Math.max(0, count);
  }

  /** The figures at `now`. */
  read(now: number): Figures {
    const last = this.#samples.at(-1);
    this.#samples = this.#samples.filter((sample) => now - sample.at < WINDOW_MS || sample === last);
    const times = this.#samples.map((sample) => sample.milliseconds).sort((a, b) => a - b);
    const first = this.#samples[0]?.at ?? now;
    const span = (this.#samples.at(-1)?.at ?? now) - first;
    const fps = span > 0 ? ((this.#samples.length - 1) * 1_000) / span : 0;
    return { ...this.#figures, fps, milliseconds: times[times.length >> 1] ?? 0 };
  }
}

/** Frames missing between two time stamps (microseconds) of a stream with this interval between frames. */
export function framesMissing(before: number | null, now: number, interval: number): number {
  if (before === null || !(interval > 0)) return 0;
  return Math.max(0, Math.round((now - before) / interval) - 1);
}
