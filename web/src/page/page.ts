/** The page: what its controls do, and the way of a frame through link, sharpener and view. */
import { messageOf } from "../errors";
import { Meter } from "../figures";
import { modelNames } from "../models";
import type { Running } from "../protocol";
import { Sharpener } from "../sharpener";
import { onVideoFrames } from "../track";
import { hasCodecs, ThinLink } from "./link";
import { ClipRecorder, savePicture } from "./save";
import { ServerWay } from "./server";
import { openCamera, openFile, type Source } from "./sources";
import { askForToken, chosenLink, say, showFigures, showWhere, view } from "./view";

const MIN_RATE = 12;
const FIGURES_EVERY_MS = 500;

let source: Source | null = null;
let sharpener: Sharpener | null = null;
let link: ThinLink | null = null;
let meter = new Meter();
let stopFrames: () => void = () => undefined;
let recorder: ClipRecorder | null = null;
let server: ServerWay | null = null;

async function main(): Promise<void> {
  wire();
  setInterval(tellFigures, FIGURES_EVERY_MS);
  try {
    const models = await modelNames(new URL("models/", document.baseURI).href);
    view.model.replaceChildren(...models.map((name) => new Option(name, name)));
    const strength = Number(view.strength.value);
    sharpener = await Sharpener.load({ model: view.model.value, strength, minRate: minRate() });
    sharpener.addEventListener("running", (event) => {
      const { model, message } = (event as CustomEvent<Running>).detail;
      if (message) say(message, model === null ? "problem" : "news");
    });
    say(`Ready: ${sharpener.backend === "webgpu" ? "WebGPU" : `WebAssembly, ${sharpener.threads} threads`}.`, "news");
    await refresh();
  } catch (error) {
    say(`${messageOf(error)} Until then you see the original picture.`, "problem");
  }
  document.documentElement.dataset["ready"] = "";
}

function state(): string {
  if (!source) return "idle";
  const model = server ? server.running : sharpener?.running.model;
  if (!model || view.strength.value === "0") return "original";
  return model === view.model.value ? "sharpening" : `sharpening with ${model}`;
}

function tellFigures(): void {
  const figures = meter.read(performance.now());
  if (!server) return showFigures(figures, state(), null);
  const { stage_ms: stages, frames_dropped: dropped = 0 } = server.stats ?? {};
  const milliseconds = stages ? stages.unpack + stages.sharpen : 0;
  showFigures({ ...figures, milliseconds, dropped: figures.dropped + dropped }, state(), server.delay);
}

function minRate(): number {
  return view.fallback.checked && source?.kind !== "picture" ? MIN_RATE : 0;
}

/** A size that this computer can sharpen at full rate. */
function cameraHeight(): number {
  return sharpener?.backend === "webgpu" || (sharpener?.threads ?? 0) > 2 ? 720 : 360;
}

/** Make a source the one that is shown. */
async function show(open: () => Promise<Source>): Promise<void> {
  leave();
  try {
    source = await open();
  } catch (error) {
    say(messageOf(error), "problem");
    return;
  }
  const opened = source;
  chooseWay();
  say(opened.kind === "picture" ? `${opened.name}` : `${opened.name} is playing.`, "news");
  view.pause.disabled = opened.kind !== "video";
  view.savePicture.disabled = view.saveClip.disabled = false;
  await sharpener?.set({ minRate: minRate() });
  if (opened.kind === "picture") return refresh();
  opened.onEnded = () => say("The camera was unplugged: connect it and press Camera again.", "problem");
  stopFrames = onVideoFrames(opened.video, meter, (frame) => process(frame));
}

/** Let go of the source. */
function leave(): void {
  stopRecording();
  stopFrames();
  stopFrames = () => undefined;
  source?.close();
  source = null;
  chooseWay();
  meter = new Meter();
}

/** The way of one frame. */
async function process(frame: ImageBitmap, alone = false): Promise<void> {
  const received = await throughLink(frame);
  if (!received) return meter.drop(1);
  if (server) return server.send(received);
  const result = sharpener ? await sharpener.sharpen(received, { alone }) : { received, sharp: null, milliseconds: 0 };
  display(result.received, result.sharp, result.milliseconds);
  result.received.close();
  result.sharp?.close();
}

function display(received: ImageBitmap, sharp: ImageBitmap | null, milliseconds: number): void {
  view.compare.show(received, sharp);
  meter.frame(performance.now(), sharp ? milliseconds : 0, received.width, received.height);
}

/** Begin or end sharpening by the server; pictures are always sharpened here. */
function chooseWay(): void {
  showWhere();
  server?.close();
  server = null;
  if (!view.onServer.checked || !source || source.kind === "picture") return;
  const options = { token: view.token.value, model: view.model.value, strength: Number(view.strength.value) };
  server = new ServerWay({ show: (received, sharp) => display(received, sharp, 0), say, askForToken }, options);
}

/** The frame as it is received; null if the link left it out. */
async function throughLink(frame: ImageBitmap): Promise<ImageBitmap | null> {
  const settings = chosenLink();
  if (!settings || !link?.fits(frame.width, frame.height, settings)) {
    link?.close();
    link = settings && new ThinLink(frame.width, frame.height, settings);
  }
  if (!link) return frame;
  const taken = link;
  try {
    const received = await taken.send(frame, performance.now());
    frame.close();
    return received;
  } catch (error) {
    if (taken === link) giveUpLink(error);
    return frame;
  }
}

function giveUpLink(error: unknown): void {
  link = null;
  view.link.value = "0";
  showSettings();
  say(`The thin link stopped, the picture goes on as it comes: ${messageOf(error)}`, "problem");
}

/** Do a picture again, after a change; a paused video, too. */
let refreshing: Promise<void> = Promise.resolve();
function refresh(): Promise<void> {
  refreshing = refreshing.then(async () => {
    if (source?.kind === "picture") {
      link?.close();
      link = null;
      await process(await createImageBitmap(source.picture), true);
    } else if (source?.kind === "video" && source.video.paused) {
      await process(await createImageBitmap(source.video), true);
    }
  });
  return refreshing.catch((error: unknown) => say(messageOf(error), "problem"));
}

function stopRecording(): void {
  recorder?.stop();
  recorder = null;
  view.saveClip.textContent = "Record clip";
  view.saveClip.setAttribute("aria-pressed", "false");
}

function toggleRecording(): void {
  if (recorder) return stopRecording();
  recorder = new ClipRecorder(view.compare.sharp, source?.name ?? "");
  view.saveClip.textContent = "Stop and save";
  view.saveClip.setAttribute("aria-pressed", "true");
}

function togglePause(): void {
  if (view.video.paused) void view.video.play();
  else view.video.pause();
  view.pause.textContent = view.video.paused ? "Play" : "Pause";
}

async function toggleFullScreen(): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await view.stage.requestFullscreen();
}

function showSettings(): void {
  view.strengthText.value = Number(view.strength.value).toFixed(2);
  view.rateText.value = `${view.rate.value} kbit/s`;
  view.rate.disabled = !chosenLink();
}

/** Run what a control does; a problem becomes a message. */
function on(element: HTMLElement, event: string, work: () => unknown): void {
  element.addEventListener(event, () => {
    Promise.resolve()
      .then(work)
      .catch((error: unknown) => say(messageOf(error), "problem"));
  });
}

async function changeSharpening(): Promise<void> {
  showSettings();
  await sharpener?.set({ strength: Number(view.strength.value), minRate: minRate() });
  tellServer();
  await refresh();
}

function tellServer(): void {
  server?.set({ model: view.model.value, strength: Number(view.strength.value) });
}

function wire(): void {
  on(view.camera, "click", () => show(() => openCamera(view.video, cameraHeight())));
  on(view.file, "change", () => openFiles(view.file.files));
  on(view.pause, "click", togglePause);
  on(view.fullScreen, "click", toggleFullScreen);
  on(view.model, "change", async () => {
    tellServer();
    await sharpener?.use(view.model.value);
    await refresh();
  });
  on(view.strength, "input", changeSharpening);
  on(view.fallback, "change", changeSharpening);
  for (const control of [view.link, view.rate]) {
    on(control, "input", () => {
      showSettings();
      return refresh();
    });
  }
  for (const control of [view.inBrowser, view.onServer, view.token]) {
    on(control, "change", () => {
      chooseWay();
      return refresh();
    });
  }
  view.form.addEventListener("submit", (event) => event.preventDefault()); // Enter in the token's field
  on(view.savePicture, "click", () => savePicture(view.compare.sharp, source?.name ?? ""));
  on(view.saveClip, "click", toggleRecording);
  wireDrop();
  addEventListener("pagehide", () => server?.close());
  if (!hasCodecs()) {
    view.link.disabled = true;
    view.link.title = "This browser has no WebCodecs.";
  }
  view.fullScreen.hidden = !document.fullscreenEnabled;
  showSettings();
}

function wireDrop(): void {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    void openFiles(event.dataTransfer?.files ?? null);
  });
}

async function openFiles(files: FileList | null): Promise<void> {
  const file = files?.[0];
  if (file) await show(() => openFile(file, view.video));
  view.file.value = "";
}

void main();
