/** Received and sharpened, one over the other, with a divider that mouse, touch and keyboard move. */
export class Compare {
  constructor(
    private readonly stage: HTMLElement,
    readonly received: HTMLCanvasElement,
    readonly sharp: HTMLCanvasElement,
    private readonly divider: HTMLInputElement,
    private readonly rightLabel: HTMLElement,
  ) {
    divider.addEventListener("input", () => this.#place());
    stage.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#place();
  }

  /** Show a frame; without a sharpened one the received is on both sides. */
  show(received: ImageBitmap, sharp: ImageBitmap | null): void {
    paint(this.received, received);
    paint(this.sharp, sharp ?? received);
    this.rightLabel.textContent = sharp ? "Sharpened" : "Original";
    this.stage.style.setProperty("--ratio", `${received.width / received.height}`);
    this.stage.dataset["shown"] = "";
  }

  #place(): void {
    this.stage.style.setProperty("--split", `${this.divider.value}%`);
    this.divider.setAttribute("aria-valuetext", `${this.divider.value} percent received`);
  }

  #grab(event: PointerEvent): void {
    if (event.button !== 0 || !("shown" in this.stage.dataset) || isControl(event.target)) return;
    const follow = ({ clientX }: PointerEvent): void => {
      const { left, width } = this.received.getBoundingClientRect();
      this.divider.value = String(Math.round(((clientX - left) / width) * 100));
      this.#place();
    };
    this.stage.setPointerCapture(event.pointerId);
    this.stage.addEventListener("pointermove", follow);
    const release = () => this.stage.removeEventListener("pointermove", follow);
    this.stage.addEventListener("lostpointercapture", release, { once: true });
    follow(event);
    this.divider.focus({ preventScroll: true });
    event.preventDefault();
  }
}

function isControl(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("button, a, input[type=file]") !== null;
}

function paint(canvas: HTMLCanvasElement, picture: ImageBitmap): void {
  const { width, height } = picture;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d", { alpha: false })!.drawImage(picture, 0, 0);
}
