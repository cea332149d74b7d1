import assert from "node:assert/strict";
import { test } from "node:test";
import { framesMissing, Meter } from "../src/figures.ts";
import type { Engine } from "../src/engine.ts";
import { Ladder } from "../src/ladder.ts";
import { ladderOf, type Card } from "../src/models.ts";
import { blendRgb, packRgb, rgbaToI420, roundUp } from "../src/pixels.ts";
import { Shelf } from "../src/shelf.ts";
import { hasSimd } from "../src/support.ts";
import { sentSize } from "../src/page/link.ts";
import { cameraProblem } from "../src/page/sources.ts";
import { nearest } from "../src/page/match.ts";
import { sharpName } from "../src/page/save.ts";

test("sides grow to a multiple", () => {
  assert.deepEqual([roundUp(5, 2), roundUp(6, 2), roundUp(1, 4)], [6, 6, 4]);
});

test("packing drops alpha and repeats the right and lower edge", () => {
  const rgba = Uint8ClampedArray.from([1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255]);
  const rgb = new Uint8Array(4 * 2 * 3);
  packRgb(rgba, 3, 1, 2, rgb);
  const row = [1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 8, 9];
  assert.deepEqual([...rgb], [...row, ...row]);
});

test("blending: 1 takes the output, between mixes, above exaggerates and clamps", () => {
  const blend = (strength: number) => {
    const rgba = Uint8ClampedArray.from([100, 100, 200, 0]);
    blendRgb(rgba, 1, 1, Uint8Array.from([110, 91, 240, 0, 0, 0]), 2, strength);
    return [...rgba];
  };
  assert.deepEqual(blend(1), [110, 91, 240, 255]);
  assert.deepEqual(blend(0.5), [105, 96, 220, 255], "95.5 rounds to the even 96");
  assert.deepEqual(blend(2), [120, 82, 255, 255]);
});

test("what is packed and blended at 1 comes back", () => {
  const [width, height] = [7, 5];
  const rgba = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const rgb = new Uint8Array(8 * 6 * 3);
  packRgb(rgba, width, height, 2, rgb);
  const back = new Uint8ClampedArray(rgba.length);
  blendRgb(back, width, height, rgb, 8, 1);
  assert.deepEqual(back, rgba);
});

test("planes are BT.601, 16 to 235; chroma is the mean of four pixels", () => {
  const colours = { white: [255, 255, 255], black: [0, 0, 0], red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255] };
  const planes = (...pixels: number[][]) =>
    [...rgbaToI420(Uint8ClampedArray.from(pixels.flatMap((rgb) => [...rgb, 255])), 2, 2)];
  const flat = (rgb: number[]) => planes(rgb, rgb, rgb, rgb).slice(3);
  assert.deepEqual(flat(colours.white), [235, 128, 128]);
  assert.deepEqual(flat(colours.black), [16, 128, 128]);
  assert.deepEqual(flat(colours.red), [82, 90, 240]);
  assert.deepEqual(flat(colours.green), [145, 54, 34]);
  assert.deepEqual(flat(colours.blue), [41, 240, 110]);
  assert.deepEqual(planes(colours.red, colours.blue, colours.red, colours.blue), [82, 41, 82, 41, 165, 175]);
});

test("ten late frames in a row step down; five quiet seconds later it tries again", () => {
  const ladder = new Ladder(1);
  const changes = Array.from({ length: 10 }, (_, i) => ladder.observe(true, i * 100));
  assert.deepEqual(changes, [...Array<boolean>(9).fill(false), true]);
  assert.equal(ladder.observe(false, 5_800), false);
  assert.equal(ladder.observe(false, 5_900), true);
  assert.equal(ladder.level, 0);
});

test("with two models the lighter takes over first, then the original; never below", () => {
  const ladder = new Ladder(2);
  const levels = Array.from({ length: 60 }, (_, i) => (ladder.observe(true, i * 100), ladder.level));
  assert.deepEqual([...new Set(levels)], [0, 1, 2]);
  assert.equal(levels.indexOf(1), 9);
  assert.equal(levels.indexOf(2), 19);
});

test("a relapse doubles the quiet spell", () => {
  const ladder = new Ladder(1);
  let now = 0;
  const giveUp = () => {
    while (ladder.level === 0) ladder.observe(true, (now += 100));
    const since = now;
    while (ladder.level > 0) ladder.observe(false, (now += 100));
    return now - since;
  };
  assert.deepEqual([giveUp(), giveUp(), giveUp()], [5_000, 10_000, 20_000]);
});

test("a late frame now and then is no reason to step down; a few very late ones are", () => {
  const ladder = new Ladder(1);
  for (let i = 0; i < 1_000; i++) ladder.observe(i % 4 === 0, i * 33);
  assert.equal(ladder.level, 0);
  for (let i = 0; i < 4; i++) ladder.observe(true, 33_000 + i * 1_000, 20);
  assert.equal(ladder.level, 1);
});

const card = (name: string, parameters: number, stride: number): Card => ({
  ...{ format_version: 1, name, parameters, student: { stride } },
  ...{ description: "", multiple_of: stride, graphs: {} },
});

test("the ladder is the model asked for and what costs less, dearest first", async (context) => {
  const paired = { ...card("deblur", 100_000, 4), training: { source: "paired" } };
  const cards = [card("nano", 2_000, 4), card("large", 90_000, 2), card("small", 7_000, 2), card("base", 27_000, 2), paired];
  context.mock.method(globalThis, "fetch", async (url: URL) => {
    const name = url.pathname.split("/")[2];
    if (name === "index.json") return Response.json({ models: [...cards, { name: "broken" }] });
    const found = cards.find((one) => one.name === name);
    return found ? Response.json(found) : new Response("", { status: 404 });
  });
  const base = "http://127.0.0.1/models/";
  assert.deepEqual(await ladderOf(base, cards[3]!), ["base", "small", "nano"]);
  assert.deepEqual(await ladderOf(base, cards[0]!), ["nano"]);
  assert.deepEqual(await ladderOf("http://127.0.0.1/else/", card("own", 9, 1)), ["own"], "without a list");
});

test("lighter models are loaded when they are needed, and left out when they fail", async () => {
  const made = (name: string) => ({ card: { name }, release: async () => undefined }) as unknown as Engine;
  const asked: string[] = [];
  const failures: string[] = [];
  const load = async (name: string) => {
    asked.push(name);
    if (name === "broken") throw new Error("404");
    return made(name);
  };
  const shelf = new Shelf(["best", "lighter", "broken"], made("best"), load, (name) => failures.push(name));
  assert.equal(shelf.at(0)?.card.name, "best");
  assert.deepEqual(asked, []);
  assert.equal(shelf.at(1), null, "frames pass through while it is loaded");
  assert.equal(shelf.at(1), null);
  await new Promise(setImmediate);
  assert.equal(shelf.at(1)?.card.name, "lighter");
  assert.equal(shelf.at(2), null);
  await new Promise(setImmediate);
  assert.deepEqual([asked, failures, shelf.names], [["lighter", "broken"], ["broken"], ["best", "lighter"]]);
  assert.equal(shelf.at(2), null);
});

test("a picture that came back is found among those that were sent", () => {
  const thumbnails = [10, 60, 120, 200].map((level) => new Uint8Array(576).fill(level));
  assert.deepEqual(nearest(new Uint8Array(576).fill(118), thumbnails), { index: 2, distinct: true });
  const still = [1, 2, 3].map(() => new Uint8Array(576).fill(90));
  assert.deepEqual(nearest(new Uint8Array(576).fill(95), still), { index: 0, distinct: false });
  assert.equal(nearest(new Uint8Array(576), []).index, -1);
});

test("the meter tells rate, median time, and forgets what is old", () => {
  const meter = new Meter();
  for (let i = 0; i <= 20; i++) meter.frame(i * 50, i === 20 ? 900 : 10, 640, 360);
  meter.drop(2);
  const figures = meter.read(1_000);
  assert.deepEqual(figures, { frames: 21, dropped: 2, fps: 20, milliseconds: 10, width: 640, height: 360 });
  const { fps, milliseconds } = meter.read(10_000);
  assert.deepEqual([fps, milliseconds], [0, 900], "the last frame's time stays");
  meter.frame(10_100, 20, 640, 360);
  assert.equal(meter.read(10_200).milliseconds, 20);
});

test("missing frames are counted from time stamps", () => {
  assert.equal(framesMissing(null, 33_333, 33_333), 0);
  assert.equal(framesMissing(0, 33_333, 33_333), 0);
  assert.equal(framesMissing(0, 100_000, 33_333), 2);
  assert.equal(framesMissing(0, 100_000, 0), 0, "the rate isn't known");
});

test("SIMD is found in Node", () => assert.equal(hasSimd(), true));

test("what is sent is never larger, and its sides are even", () => {
  assert.deepEqual(sentSize(1280, 720, 360), [640, 360]);
  assert.deepEqual(sentSize(251, 181, 540), [252, 182]);
  assert.deepEqual(sentSize(333, 181, 90), [166, 90]);
});

test("camera problems say how to mend them", () => {
  for (const name of ["NotFoundError", "NotAllowedError", "NotReadableError", "Unheard"]) {
    assert.match(cameraProblem(Object.assign(new Error("x"), { name })), /^The camera .*try again|^No camera .*try again/);
  }
});

test("names of saved files", () => {
  assert.equal(sharpName("call.of friday.mp4", "png"), "call.of-friday-sharp.png");
  assert.equal(sharpName("", "webm"), "clearcall-sharp.webm");
});
