const LATE_POINTS = 2;
const GIVE_UP_AT = 20;
const QUIET_MS = 5_000;
const LONGEST_QUIET_MS = 120_000;

/**
 * When to pass frames through, and when to try sharpening again; the same policy as `clearcall.runtime.ladder`.
 *
 * A late frame adds two points and a timely one takes one away; ten late frames in a row give up. After a quiet spell
 * sharpening is tried again; the spell doubles each time it fails again soon, so that nothing flickers.
 */
export class Ladder {
  passing = false;
  #points = 0;
  #quiet = QUIET_MS;
  #calmSince = 0;
  #cameBack = -Infinity;

  /** Take note of a frame; tells whether `passing` has changed. */
  observe(late: boolean, now: number): boolean {
    if (late) this.#calmSince = now;
    this.#points = Math.max(0, this.#points + (late ? LATE_POINTS : -1));
    if (!this.passing && this.#points >= GIVE_UP_AT) {
      this.#giveUp(now);
      return true;
    }
    if (this.passing && now - this.#calmSince >= this.#quiet) {
      this.#comeBack(now);
      return true;
    }
    return false;
  }

  #giveUp(now: number): void {
    const relapsed = now - this.#cameBack < 2 * this.#quiet;
    this.#quiet = relapsed ? Math.min(2 * this.#quiet, LONGEST_QUIET_MS) : QUIET_MS;
    this.passing = true;
    this.#points = 0;
    this.#calmSince = now;
  }

  #comeBack(now: number): void {
    this.passing = false;
    this.#points = 0;
    this.#calmSince = this.#cameBack = now;
  }
}
