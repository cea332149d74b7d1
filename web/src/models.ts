import { ClearcallError } from "./errors";

/** What a bundle says about itself; `card.json` has more. */
export interface Card {
  format_version: number;
  name: string;
  description: string;
  parameters: number;
  multiple_of: number;
  student: { stride?: number };
  graphs: Partial<Record<Precision, { file: string; sha256: string }>>;
  training?: { source?: string };
}

export type Precision = "int8" | "float32";

const FORMAT_VERSION = 1;

/** Names of the models that a server offers at `base` (ends with a slash). */
export async function modelNames(base: string): Promise<string[]> {
  const answer = await get(new URL("index.json", base), "The list of models");
  const { models } = (await answer.json()) as { models: { name: string }[] };
  return models.map(({ name }) => name);
}

/** Multiplications a pixel: every weight is used once at each position of the strided grid. */
export function costOf(card: Pick<Card, "parameters" | "student">): number {
  return card.parameters / (card.student.stride ?? 1) ** 2;
}

/**
 * The models of an overload ladder: the one asked for, then those on offer that cost less, dearest first. A model of
 * pairs, as that for motion blur is, takes over from no other: it wasn't trained for links.
 */
export async function ladderOf(base: string, wanted: Card): Promise<string[]> {
  const names = (await modelNames(base).catch(() => [])).filter((name) => name !== wanted.name);
  const found = await Promise.allSettled(names.map((name) => readCard(base, name)));
  const cards = found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const lighter = cards.filter((card) => costOf(card) < costOf(wanted) && card.training?.source !== "paired");
  return [wanted, ...lighter.sort((a, b) => costOf(b) - costOf(a))].map(({ name }) => name);
}

/** The card of one model. */
export async function readCard(base: string, name: string): Promise<Card> {
  const answer = await get(new URL(`${encodeURIComponent(name)}/card.json`, base), `The model ${name}`);
  const card = (await answer.json().catch(() => null)) as Card | null;
  if (card?.format_version !== FORMAT_VERSION) {
    throw new ClearcallError(
      `The model ${name} has a format this page doesn't know; reload the page, or export the model again.`,
    );
  }
  return card;
}

/** One ONNX file of a model, checked against its card. */
export async function readGraph(base: string, card: Card, precision: Precision): Promise<Uint8Array> {
  const entry = card.graphs[precision];
  if (!entry) throw new ClearcallError(`The model ${card.name} has no ${precision} graph; export it again.`);
  const url = new URL(`${encodeURIComponent(card.name)}/${encodeURIComponent(entry.file)}`, base);
  const bytes = new Uint8Array(await (await get(url, `The model ${card.name}`)).arrayBuffer());
  if ((await sha256(bytes)) !== entry.sha256) {
    throw new ClearcallError(`The model ${card.name} arrived damaged: its checksum is not its card's; load it again.`);
  }
  return bytes;
}

async function get(url: URL, what: string): Promise<Response> {
  const answer = await fetch(url).catch(() => null);
  if (!answer) throw new ClearcallError(`${what} can't be loaded: ${url.host} doesn't answer.`);
  if (!answer.ok) throw new ClearcallError(`${what} can't be loaded: the server says ${answer.status}.`);
  return answer;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
