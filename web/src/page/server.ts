import { messageOf } from "../errors";
import { Meter } from "../figures";
import { Refused, RemoteSharpener, type RemoteOptions, type RemoteStats } from "../remote";
import { onVideoFrames } from "../track";
import { SentFrames } from "./match";
import { makeOutgoing } from "./outgoing";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 8_000;
const SILENCE_MS = 1_000;
const SMOOTHING = 0.1;

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
  #retry = FIRST_RETRY_MS;
  #timer = 0;
  #open = true;
  #stop: () => void;

  constructor(
    private readonly listener: Listener,
    private readonly options: RemoteOptions,
  ) {
    this.#stop = onVideoFrames(this.#video, new Meter(), async (picture) => this.#receive(picture));
  }

  /** Whether sharpened pictures come back. */
  get isSharpening(): boolean {
    return performance.now() - this.#returned < SILENCE_MS && this.stats?.running !== "pass-through";
  }

  /** What the server has told last. */
  get stats(): RemoteStats | null {
    return this.#call?.stats ?? null;
  }

  /** Send a frame, which is this object's from now on; the first makes the call. */
  send(frame: ImageBitmap): void {
    this.#outgoing.send(frame);
    if (!this.#called) void this.#dial();
    const now = performance.now();
    if (now - this.#returned > SILENCE_MS) this.listener.show(frame, null);
    this.#sent.keep(frame, now);
  }

  /** Change the model or the strength. */
  set(settings: { model: string; strength: number }): void {
    Object.assign(this.options, settings);
    this.#call?.set(settings);
  }

  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    this.#stop();
    this.#call?.close();
    this.#outgoing.track.stop();
    this.#video.srcObject = null;
    this.#sent.clear();
  }

  async #dial(): Promise<void> {
    this.#called = true;
    try {
      const call = await RemoteSharpener.connect(this.#outgoing.track, this.options);
      if (!this.#open) return call.close();
      this.#use(call);
    } catch (error) {
      if (!this.#open) return;
      if (error instanceof Refused && error.status === 401) this.listener.askForToken();
      if (error instanceof Refused && error.status < 500) this.listener.say(messageOf(error), "problem");
      else this.#dialAgain(messageOf(error));
    }
  }

  #use(call: RemoteSharpener): void {
    this.#call = call;
    this.#retry = FIRST_RETRY_MS;
    call.addEventListener("message", (event) => this.listener.say((event as CustomEvent<string>).detail, "news"));
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
      this.listener.show(match.picture, this.stats?.running === "pass-through" ? null : picture);
    }
    picture.close();
  }
}
