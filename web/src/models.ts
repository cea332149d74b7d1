import { ClearcallError } from "./errors";
import { Gate, GENERAL, UNTOUCHED } from "./gate";

/** What a bundle says about itself; `card.json` has more. */
export interface Card {
  format_version: number;
  name: string;
  description: string;
  parameters: number;
  multiple_of: number;
  student: { stride?: number };
  /** Of a bundle with experts, the one for all links. */
  graphs: Graphs;
  /** Further weights for the same network, by the name of the links that they are for. */
  experts?: Record<string, Graphs>;
  /** Tells frames apart; there is one where there are experts. */
  gate?: GraphFile | null;
  training?: { source?: string };
}

export interface GraphFile {
  file: string;
  sha256: string;
}

export type Precision = "int8" | "float32";
export type Graphs = Partial<Record<Precision, GraphFile>>;

const FORMAT_VERSIONS = [1, 2];

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
  if (!card || !FORMAT_VERSIONS.includes(card.format_version)) {
    throw new ClearcallError(
      `The model ${name} has a format this page doesn't know; reload the page, or export the model again.`,
    );
  }
  if (Boolean(card.gate) !== Object.keys(card.experts ?? {}).length > 0) {
    throw new ClearcallError(`The model ${name} has a gate without experts, or the reverse; export it again.`);
  }
  return card;
}

/** One ONNX file of a model, or of one of its experts, checked against its card. */
export async function readGraph(base: string, card: Card, precision: Precision, expert?: string): Promise<Uint8Array> {
  const entry = (expert === undefined ? card.graphs : card.experts?.[expert])?.[precision];
  if (!entry) {
    const whose = expert === undefined ? "" : ` of the expert ${expert}`;
    throw new ClearcallError(`The model ${card.name} has no ${precision} graph${whose}; export it again.`);
  }
  return readFile(base, card, entry);
}

/** The gate of a model, checked against its card; null if it has no experts. */
export async function readGate(base: string, card: Card): Promise<Gate | null> {
  if (!card.gate) return null;
  const gate = Gate.read(await readFile(base, card, card.gate), card.name);
  const unknown = gate.choices.find((choice) => !isChoice(choice, card));
  if (unknown === undefined) return gate;
  throw new ClearcallError(`The gate of the model ${card.name} chooses ${unknown}, which it lacks; export it again.`);
}

function isChoice(name: string, card: Card): boolean {
  return name === GENERAL || name === UNTOUCHED || Object.hasOwn(card.experts ?? {}, name);
}

async function readFile(base: string, card: Card, entry: GraphFile): Promise<Uint8Array> {
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
