import { ClearcallError, messageOf } from "./errors";

/** How to reach a server that sharpens; all have a default. */
export interface RemoteOptions {
  /** Address of the server's exchange of offers; `sharpen` beside this module by default. */
  server?: string | URL;
  /** The server's token, where it asks for one. */
  token?: string;
  model?: string;
  strength?: number;
  /** The most that is spent on the way there, in bits a second; 6 million by default. */
  maxBitrate?: number;
}

/** What the server tells every second. */
export interface RemoteStats {
  frames_in: number;
  frames_out: number;
  frames_dropped: number;
  frames_sharpened: number;
  stage_ms: Record<"wait" | "unpack" | "sharpen" | "deliver", number>;
  latency_ms: number;
  level: number;
  running: string;
  size: [number, number] | null;
}

/** The server said no. */
export class Refused extends ClearcallError {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const GATHERING_MS = 2_000;
const CONNECTING_MS = 15_000;
const SILENCE_MS = 4_000;
const RELEASE_MS = 2_000;

/**
 * A call with a clearcall server: a track goes there, and its sharpened picture comes back.
 *
 * It fires `message` (`CustomEvent<string>`) with what a person should know, and `lost` (the same) once, when the call
 * has ended without `close`.
 *
 * @example
 * const call = await clearcall.RemoteSharpener.connect(track, { model: "small" });
 * video.srcObject = new MediaStream([call.track]);
 */
export class RemoteSharpener extends EventTarget {
  /** The latest that the server has told; null before the first. */
  stats: RemoteStats | null = null;
  #peer = new RTCPeerConnection();
  #control = this.#peer.createDataChannel("clearcall");
  #place: string | null = null;
  #open = true;
  #heard = 0;
  #watch = 0;

  private constructor(
    track: MediaStreamTrack,
    private readonly options: RemoteOptions,
  ) {
    super();
    this.#peer.addTransceiver(track, { direction: "sendrecv" });
    this.#control.onmessage = ({ data }: MessageEvent<string>) => this.#hear(data);
    this.#control.onclose = () => {
      this.#place = null; // it is gone there
      this.#lose("The server has ended the call.");
    };
    this.#peer.onconnectionstatechange = () => {
      if (this.#peer.connectionState === "failed") this.#lose("The connection to the server was lost.");
    };
  }

  /**
   * Call a server with a track, which stays yours.
   *
   * @throws Refused The server said no: 401 wants a token, 503 has no session free.
   * @throws ClearcallError The server doesn't answer, or can't be reached by WebRTC.
   */
  static async connect(track: MediaStreamTrack, options: RemoteOptions = {}): Promise<RemoteSharpener> {
    const call = new RemoteSharpener(track, options);
    try {
      await call.#connect();
    } catch (error) {
      call.close();
      throw error;
    }
    return call;
  }

  /** The sharpened track. */
  get track(): MediaStreamTrack {
    return this.#peer.getReceivers()[0]!.track;
  }

  /** Change the model or the strength. */
  set(settings: { model?: string; strength?: number }): void {
    if (this.#control.readyState === "open") this.#control.send(JSON.stringify(settings));
  }

  /** End the call. */
  close(): void {
    this.#open = false;
    clearInterval(this.#watch);
    void this.#release().finally(() => this.#peer.close());
  }

  /** Let the server go first: to one that has seen the peer leave, the session is unknown. */
  async #release(): Promise<void> {
    const place = this.#place;
    this.#place = null;
    if (!place) return;
    const signal = AbortSignal.timeout(RELEASE_MS);
    await fetch(place, { method: "DELETE", headers: this.#headers(), keepalive: true, signal }).catch(() => undefined);
  }

  async #connect(): Promise<void> {
    await this.#peer.setLocalDescription();
    await gathered(this.#peer);
    const answer = await this.#exchange(this.#peer.localDescription!.sdp);
    await this.#peer.setRemoteDescription({ type: "answer", sdp: answer });
    await spend(this.#peer.getSenders()[0]!, this.options.maxBitrate ?? 6e6);
    await connected(this.#peer);
    this.#heard = performance.now();
    this.#watch = window.setInterval(() => {
      if (performance.now() - this.#heard > SILENCE_MS) this.#lose("The server has fallen silent.");
    }, SILENCE_MS / 4);
  }

  async #exchange(body: string): Promise<string> {
    const { server = "sharpen", model, strength } = this.options;
    const address = new URL(server, import.meta.url);
    if (model !== undefined) address.searchParams.set("model", model);
    if (strength !== undefined) address.searchParams.set("strength", String(strength));
    const headers = { "Content-Type": "application/sdp", ...this.#headers() };
    const answer = await fetch(address, { method: "POST", headers, body }).catch(() => null);
    if (!answer) throw new ClearcallError(`The server ${address.host} doesn't answer.`);
    if (!answer.ok) {
      const { error } = (await answer.json().catch(() => ({}))) as { error?: string };
      throw new Refused(error ?? `The server ${address.host} says ${answer.status}.`, answer.status);
    }
    const place = answer.headers.get("Location");
    this.#place = place && new URL(place, address).href;
    return answer.text();
  }

  #headers(): Record<string, string> {
    return this.options.token ? { Authorization: `Bearer ${this.options.token}` } : {};
  }

  #hear(text: string): void {
    this.#heard = performance.now();
    const message = JSON.parse(text) as { type: string; message?: string };
    if (message.type === "stats") this.stats = message as unknown as RemoteStats;
    else if (message.message) this.dispatchEvent(new CustomEvent("message", { detail: message.message }));
  }

  #lose(reason: string): void {
    if (!this.#open) return;
    this.close();
    this.dispatchEvent(new CustomEvent("lost", { detail: reason }));
  }
}

/** Wait until all addresses are in the offer, but not long. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const look = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHERING_MS);
    look();
  });
}

function connected(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = () =>
      reject(new ClearcallError("The server answers, but no WebRTC connection to it comes about; is a firewall between?"));
    const look = () => {
      if (peer.connectionState === "connected") resolve();
      if (peer.connectionState === "failed") refuse();
    };
    peer.addEventListener("connectionstatechange", look);
    setTimeout(refuse, CONNECTING_MS);
    look();
  });
}

/** Let a sender spend up to a bit rate, on a picture whose size stays. */
async function spend(sender: RTCRtpSender, maxBitrate: number): Promise<void> {
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.maxBitrate = maxBitrate;
  Object.assign(parameters, { degradationPreference: "maintain-resolution" });
  await sender.setParameters(parameters).catch((error: unknown) => {
    console.info(`clearcall: the bit rate stays the browser's own (${messageOf(error)})`);
  });
}
