import type { Figures } from "../figures";
import { Compare } from "./compare";

function get<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** The page's elements by what they are for. */
export const view = {
  stage: get("stage"),
  video: get<HTMLVideoElement>("video"),
  compare: new Compare(get("stage"), get("received"), get("sharp"), get("divider"), get("right-label")),
  camera: get<HTMLButtonElement>("camera"),
  file: get<HTMLInputElement>("file"),
  pause: get<HTMLButtonElement>("pause"),
  fullScreen: get<HTMLButtonElement>("full-screen"),
  model: get<HTMLSelectElement>("model"),
  strength: get<HTMLInputElement>("strength"),
  strengthText: get<HTMLOutputElement>("strength-text"),
  fallback: get<HTMLInputElement>("fallback"),
  link: get<HTMLSelectElement>("link"),
  rate: get<HTMLInputElement>("rate"),
  rateText: get<HTMLOutputElement>("rate-text"),
  savePicture: get<HTMLButtonElement>("save-picture"),
  saveClip: get<HTMLButtonElement>("save-clip"),
};

/** Say something: problems interrupt a screen reader, news waits for its turn. */
export function say(message: string, kind: "problem" | "news"): void {
  const [shown, cleared] = kind === "problem" ? ["problem", "news"] : ["news", "problem"];
  get(shown!).textContent = message;
  get(cleared!).textContent = "";
}

/** Show the live figures. */
export function showFigures(figures: Figures, state: string): void {
  const { fps, milliseconds, dropped, width, height } = figures;
  get("figure-state").textContent = state;
  get("figure-fps").textContent = fps ? fps.toFixed(1) : "–";
  get("figure-ms").textContent = milliseconds ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms` : "–";
  get("figure-dropped").textContent = String(dropped);
  get("figure-size").textContent = width ? `${width} × ${height}` : "–";
}

/** The link that is chosen; null for none. */
export function chosenLink(): { height: number; kbps: number } | null {
  const height = Number(view.link.value);
  return height ? { height, kbps: Number(view.rate.value) } : null;
}
