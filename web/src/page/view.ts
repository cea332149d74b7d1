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
  inBrowser: get<HTMLInputElement>("in-browser"),
  onServer: get<HTMLInputElement>("on-server"),
  token: get<HTMLInputElement>("token"),
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

const PRIVATE = "Nothing leaves this computer: all work is done in this browser.";

/** Whether this page comes from this computer. */
const isOwnServer = /^(localhost|127\..*|\[::1\])$/.test(location.hostname);

/** Say where pictures go. */
export function showWhere(): void {
  const server = isOwnServer ? "this computer's own server" : `the server ${location.host}`;
  get("server-name").textContent = isOwnServer ? "On this machine's server" : `On the server ${location.host}`;
  get("private-text").textContent = view.onServer.checked
    ? `${isOwnServer ? "Nothing leaves this computer: pictures go to" : "Pictures go to"} ${server} and back, nowhere else.`
    : PRIVATE;
  view.fallback.disabled = view.onServer.checked;
}

/** Ask for the server's token. */
export function askForToken(): void {
  get("token-field").hidden = false;
  view.token.focus();
}

/** Show the live figures; a delay of null is not shown. */
export function showFigures(figures: Figures, state: string, delay: number | null): void {
  const { fps, milliseconds, dropped, width, height } = figures;
  get("figure-state").textContent = state;
  get("figure-fps").textContent = fps ? fps.toFixed(1) : "–";
  get("figure-ms").textContent = milliseconds ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms` : "–";
  get("figure-dropped").textContent = String(dropped);
  get("figure-delay").textContent = delay ? `${delay.toFixed(0)} ms` : "–";
  get("figure-delay").parentElement!.hidden = delay === null;
  get("figure-size").textContent = width ? `${width} × ${height}` : "–";
}

/** The link that is chosen; null for none. */
export function chosenLink(): { height: number; kbps: number } | null {
  const height = Number(view.link.value);
  return height ? { height, kbps: Number(view.rate.value) } : null;
}
