import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test, type TestContext } from "node:test";
import { Experts } from "../src/experts.ts";
import { Gate, MEASURES } from "../src/gate.ts";
import { readCard, readGate, readGraph, type Card } from "../src/models.ts";

/** Chooses by the share of edges: few leave the frame as it is, some take the weights for all links, many the expert. */
const ROW = Array<number>(MEASURES - 1).fill(0);
const GATE = {
  ...{ format_version: 2, choices: ["untouched", "general", "far"], mean: [...ROW, 0], scale: [...ROW, 0].map(() => 1) },
  layers: [{ weight: [[...ROW, 0], [...ROW, 1_000], [...ROW, 2_000]], bias: [0, -100, -600] }],
};
const bytes = (values: unknown) => new TextEncoder().encode(JSON.stringify(values));
const gate = Gate.read(bytes(GATE), "small");

/** A picture with an edge at each `every`th column. */
function striped(every: number, width = 96) {
  const data = new Uint8ClampedArray(width * 48 * 4);
  for (let at = 0; at < data.length; at++) data[at] = ((at >> 2) % width) % every ? 0 : 255;
  return { data, width, height: 48 };
}
const [FLAT, SOME, MANY] = [striped(1_000), striped(12), striped(3)];

class Session {
  released = 0;
  constructor(readonly name: string) {}
  async release(): Promise<void> {
    this.released++;
  }
}

/** Experts whose loading ends when the test says so. */
function made(context: TestContext) {
  const warn = context.mock.method(console, "warn", () => undefined);
  const general = new Session("general");
  const asked: string[] = [];
  let end: (result: Session | Error) => void = () => undefined;
  const load = (expert: string) => {
    asked.push(expert);
    return new Promise<Session>((resolve, reject) => {
      end = (result) => (result instanceof Error ? reject(result) : resolve(result));
    });
  };
  const experts = new Experts("small", general, gate, load);
  const ended = async (result: Session | Error) => {
    end(result);
    await new Promise(setImmediate);
  };
  const choose = async (picture: typeof FLAT, alone = false) => (await experts.choose(picture, alone))?.name ?? null;
  return { experts, general, asked, ended, choose, warnings: () => warn.mock.calls.map((call) => call.arguments.join(" ")) };
}

async function settled<T>(choose: () => Promise<T>): Promise<T> {
  for (let frames = 0; frames < 20; frames++) await choose();
  return choose();
}

test("without a gate all frames take the one set of weights", async () => {
  const general = new Session("general");
  const experts = new Experts("small", general, null, async () => assert.fail("nothing to load"));
  assert.equal(await experts.choose(MANY, false), general);
  assert.equal(await experts.choose(FLAT, true), general);
  await experts.release();
  assert.equal(general.released, 1);
});

test("an expert is loaded once, and what is in use goes on until it is there", async (context) => {
  const { choose, asked, ended, warnings } = made(context);
  assert.equal(await choose(SOME), "general");
  assert.deepEqual(asked, []);
  assert.equal(await settled(() => choose(MANY)), "general");
  assert.deepEqual(asked, ["far"]);
  await ended(new Session("far"));
  assert.equal(await choose(MANY), "far");
  assert.equal(await settled(() => choose(FLAT)), null);
  assert.equal(await settled(() => choose(SOME)), "general");
  assert.equal(await settled(() => choose(MANY)), "far");
  assert.deepEqual([asked, warnings()], [["far"], []]);
});

test("the choice is steady within a stream, and made anew at another size", async (context) => {
  const { choose } = made(context);
  assert.equal(await choose(SOME), "general");
  assert.equal(await choose(FLAT), "general");
  assert.equal(await choose(striped(1_000, 98)), null);
});

test("a picture of its own waits for its weights, and leaves the stream's choice alone", async (context) => {
  const { choose, ended } = made(context);
  assert.equal(await choose(SOME), "general");
  assert.equal(await choose(FLAT, true), null);
  assert.equal(await choose(SOME), "general");
  const alone = choose(MANY, true);
  await ended(new Session("far"));
  assert.equal(await alone, "far");
  assert.equal(await choose(SOME), "general");
});

test("an expert that can't be loaded is said once, never tried again, and the weights for all links go on", async (context) => {
  const { experts, general, choose, asked, ended, warnings } = made(context);
  assert.equal(await choose(MANY), "general");
  await ended(new Error("it arrived damaged"));
  assert.equal(await settled(() => choose(MANY)), "general");
  assert.equal(await choose(MANY, true), "general");
  assert.deepEqual(asked, ["far"]);
  assert.deepEqual(warnings(), [
    "clearcall: small goes on without its weights for far links (it arrived damaged)",
  ]);
  await experts.release();
  assert.equal(general.released, 1);
});

test("a failure while a frame is left as it is ends in the weights for all links", async (context) => {
  const { choose, ended } = made(context);
  assert.equal(await choose(FLAT), null);
  assert.equal(await settled(() => choose(MANY)), null);
  await ended(new Error("404"));
  assert.equal(await choose(MANY), "general");
});

test("all sessions are released, one that comes late, too", async (context) => {
  const { experts, general, choose, ended } = made(context);
  await choose(MANY);
  await experts.release();
  const late = new Session("far");
  await ended(late);
  assert.deepEqual([general.released, late.released], [1, 1]);
});

const BASE = "http://127.0.0.1/models/";
const fileOf = (content: Uint8Array, file: string) => ({ file, sha256: createHash("sha256").update(content).digest("hex") });
const CARD: Card = {
  ...{ format_version: 2, name: "mixed", description: "", parameters: 1, multiple_of: 2, student: {} },
  graphs: { int8: fileOf(bytes("general"), "mixed.int8.onnx") },
  experts: { far: { int8: fileOf(bytes("far"), "mixed-far.int8.onnx") } },
  gate: fileOf(bytes(GATE), "mixed.gate.json"),
};

/** A server with these files of the model. */
function serve(context: TestContext, files: Record<string, unknown>): void {
  context.mock.method(globalThis, "fetch", async (url: URL) => {
    const name = url.pathname.split("/").at(-1)!;
    return name in files ? new Response(bytes(files[name])) : new Response("", { status: 404 });
  });
}

test("cards of both formats are read; others are refused, and so are experts without a gate", async (context) => {
  const { experts, gate: entry, ...general } = CARD;
  for (const card of [CARD, { ...general, format_version: 1 }, { ...general, format_version: 2, experts: {}, gate: null }]) {
    serve(context, { "card.json": card });
    assert.deepEqual(await readCard(BASE, "mixed"), card);
  }
  for (const version of [0, 3, "2", null]) {
    serve(context, { "card.json": { ...CARD, format_version: version } });
    await assert.rejects(readCard(BASE, "mixed"), /^ClearcallError: The model mixed has a format this page doesn't know/);
  }
  for (const card of [{ ...general, experts }, { ...general, gate: entry }, { ...CARD, experts: {} }]) {
    serve(context, { "card.json": card });
    await assert.rejects(readCard(BASE, "mixed"), /mixed has a gate without experts, or the reverse; export it again\.$/);
  }
});

test("graphs of all experts and the gate are read, and checked", async (context) => {
  serve(context, { "mixed.int8.onnx": "general", "mixed-far.int8.onnx": "far", "mixed.gate.json": GATE });
  assert.deepEqual(await readGraph(BASE, CARD, "int8"), bytes("general"));
  assert.deepEqual(await readGraph(BASE, CARD, "int8", "far"), bytes("far"));
  assert.deepEqual((await readGate(BASE, CARD))?.choices, GATE.choices);
  assert.equal(await readGate(BASE, { ...CARD, gate: null }), null);
  for (const expert of ["near", "constructor"]) {
    await assert.rejects(readGraph(BASE, CARD, "int8", expert), new RegExp(`has no int8 graph of the expert ${expert};`));
  }
  await assert.rejects(readGraph(BASE, CARD, "float32", "far"), /has no float32 graph of the expert far; export it again/);
  await assert.rejects(readGraph(BASE, CARD, "float32"), /has no float32 graph; export it again/);
});

test("damaged and missing files are told in sentences", async (context) => {
  serve(context, { "mixed-far.int8.onnx": "fan", "mixed.gate.json": { ...GATE, mean: [] } });
  await assert.rejects(readGraph(BASE, CARD, "int8", "far"), /The model mixed arrived damaged: its checksum/);
  await assert.rejects(readGate(BASE, CARD), /The model mixed arrived damaged: its checksum/);
  serve(context, {});
  await assert.rejects(readGate(BASE, CARD), /The model mixed can't be loaded: the server says 404/);
});

test("a gate that chooses what the model lacks is refused", async (context) => {
  const strange = { ...GATE, choices: ["untouched", "general", "near"] };
  serve(context, { "mixed.gate.json": strange });
  const card = { ...CARD, gate: fileOf(bytes(strange), "mixed.gate.json") };
  await assert.rejects(readGate(BASE, card), /The gate of the model mixed chooses near, which it lacks; export it again\.$/);
});
