const LATE_POINTS = 2;
const HEAVIEST = 3;
const DOWN_AT = 20;
const QUIET_MS = 5_000;
const LONGEST_QUIET_MS = 120_000;

/**
 * When to fall back to something cheaper, and when to try the better again; the same policy as
 * `clearcall.runtime.ladder`.
 *
 * A late frame adds two points and a timely one takes one away; ten late frames in a row step down. After a quiet spell
 * the better level is tried again; the spell doubles each time it fails again soon, so that nothing flickers.
 */
export class Ladder {
  /** 0 is the best. */
  level = 0;
  #points = 0;
  #quiet = QUIET_MS;
  #calmSince: number | null = null;
  #cameBack = -Infinity;

  /** @param lowest The lowest level. */
  constructor(private readonly lowest: number) {}

  /** Take note of a frame, which counts for up to three where it was very late; tells whether `level` has changed. */
  observe(late: boolean, now: number, weight = 1): boolean {
    if (late || this.#calmSince === null) this.#calmSince = now;
    this.#points = Math.max(0, this.#points + (late ? LATE_POINTS * Math.min(weight, HEAVIEST) : -1));
    if (this.#points >= DOWN_AT && this.level < this.lowest) {
      this.#stepDown(now);
      return true;
    }
    if (this.level > 0 && now - this.#calmSince >= this.#quiet) {
      this.#stepUp(now);
      return true;
    }
    return false;
  }

  #stepDown(now: number): void {
    const relapsed = now - this.#cameBack < 2 * this.#quiet;
    this.#quiet = relapsed ? Math.min(2 * this.#quiet, LONGEST_QUIET_MS) : QUIET_MS;
    this.level++;
    this.#points = 0;
    this.#calmSince = now;
  }

  #stepUp(now: number): void {
    this.level--;
    this.#points = 0;
    this.#calmSince = this.#cameBack = now;
  }
}
