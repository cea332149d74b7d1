import { messageOf } from "../errors";
import { Meter } from "../figures";
import { Refused, RemoteSharpener, type RemoteOptions, type RemoteStats } from "../remote";
import { onVideoFrames } from "../track";
import { SentFrames } from "./match";
import { makeOutgoing } from "./outgoing";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 8_000;
const SILENCE_MS = 1_000;
/** A picture that stands still is sent again this often: a server ends calls in which nothing comes. */
const STILL_MS = 500;
const SMOOTHING = 0.1;
/** What the server says it runs while frames go back as they came. */
const PASS_THROUGH = "pass-through";

/** What a `ServerWay` tells. */
export interface Listener {
  /** Show a frame and what it was sharpened to; null: the original goes on. The pictures stay the caller's. */
  show(received: ImageBitmap, sharp: ImageBitmap | null): void;
  say(message: string, kind: "problem" | "news"): void;
  /** The server wants a token. */
  askForToken(): void;
}

/** The way of frames over the server: they go there by WebRTC, and are shown beside what comes back. */
export class ServerWay {
  /** Milliseconds from sending a frame until it is back, smoothed; 0 while not known. */
  delay = 0;
  #outgoing = makeOutgoing();
  #called = false;
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #sent = new SentFrames();
  #call: RemoteSharpener | null = null;
  #returned = -Infinity;
  #transmitted = -Infinity;
  #still: number;
  #retry = FIRST_RETRY_MS;
  #timer = 0;
  #open = true;
  #stop: () => void;

  constructor(
    private readonly listener: Listener,
    private readonly options: RemoteOptions,
  ) {
    this.#stop = onVideoFrames(this.#video, new Meter(), async (picture) => this.#receive(picture));
    this.#still = window.setInterval(() => this.#sendAgain(), STILL_MS);
  }

  /** The model that sharpens what comes back; null while the original goes on, or nothing is known yet. */
  get running(): string | null {
    const running = this.stats?.running ?? PASS_THROUGH;
    return performance.now() - this.#returned < SILENCE_MS && running !== PASS_THROUGH ? running : null;
  }

  /** What the server has told last. */
  get stats(): RemoteStats | null {
    return this.#call?.stats ?? null;
  }

  /** Send a frame, which is this object's from now on; the first makes the call. */
  send(frame: ImageBitmap): void {
    this.#transmit(frame);
    if (!this.#called) void this.#dial();
    this.#sent.keep(frame, this.#transmitted);
  }

  /** Change the model or the strength. */
  set(settings: { model: string; strength: number }): void {
    Object.assign(this.options, settings);
    this.#call?.set(settings);
  }

  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    clearInterval(this.#still);
    this.#stop();
    this.#call?.close();
    this.#outgoing.track.stop();
    this.#video.srcObject = null;
    this.#sent.clear();
  }

  #transmit(frame: ImageBitmap): void {
    this.#outgoing.send(frame);
    this.#transmitted = performance.now();
    if (this.#transmitted - this.#returned > SILENCE_MS) this.listener.show(frame, null);
  }

  /** The video is paused, or the page in the background: the latest frame goes on. */
  #sendAgain(): void {
    if (performance.now() - this.#transmitted < STILL_MS) return;
    const latest = this.#sent.again(performance.now());
    if (latest) this.#transmit(latest);
  }

  async #dial(): Promise<void> {
    this.#called = true;
    try {
      const call = await RemoteSharpener.connect(this.#outgoing.track, this.options);
      if (!this.#open) return call.close();
      this.#use(call);
    } catch (error) {
      if (!this.#open) return;
      const status = error instanceof Refused ? error.status : null;
      if (status === 401) this.#askForToken();
      else if (status !== null && status < 500) this.listener.say(messageOf(error), "problem");
      else this.#dialAgain(messageOf(error));
    }
  }

  #askForToken(): void {
    const asked = this.options.token ? "This server has another token" : "This server asks for its token";
    this.listener.say(`${asked}: type it under Sharpening and press Enter. The original picture goes on.`, "problem");
    this.listener.askForToken();
  }

  #use(call: RemoteSharpener): void {
    this.#call = call;
    this.#retry = FIRST_RETRY_MS;
    call.addEventListener("message", (event) => {
      this.listener.say(`The server says: ${(event as CustomEvent<string>).detail}`, "news");
    });
    call.addEventListener("lost", (event) => {
      this.#call = null;
      this.#dialAgain((event as CustomEvent<string>).detail);
    });
    this.#video.srcObject = new MediaStream([call.track]);
    void this.#video.play().catch(() => undefined); // another call may replace it at once
    this.listener.say("The server sharpens.", "news");
  }

  #dialAgain(reason: string): void {
    this.#returned = -Infinity;
    this.delay = 0;
    this.listener.say(`${reason} The original picture goes on; the server is called again.`, "problem");
    this.#timer = window.setTimeout(() => void this.#dial(), this.#retry);
    this.#retry = Math.min(2 * this.#retry, LONGEST_RETRY_MS);
  }

  #receive(picture: ImageBitmap): void {
    if (!this.#open) return picture.close();
    const now = performance.now();
    this.#returned = now;
    const match = this.#sent.match(picture);
    if (match) {
      if (match.distinct) this.delay += (this.delay ? SMOOTHING : 1) * (now - match.at - this.delay);
      this.listener.show(match.picture, this.running === null ? null : picture);
    }
    picture.close();
  }
}
