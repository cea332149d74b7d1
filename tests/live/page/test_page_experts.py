"""A bundle with experts in the browser: what its gate picks is used, and what can't be loaded is done without."""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvas import mean_difference, pixels, shown
from PIL import Image
from playwright.sync_api import Page, Playwright, Route
from skimage import data
from test_page_module import BLANK, WEBGPU_FLAGS, run
from test_page_picture import drop
from webrtc_peer import Served, served

from clearcall import load
from clearcall.bundle import Bundle, Precision, bundled_models, read_bundle, write_bundle
from clearcall.frame import Frame
from clearcall.runtime.gate import GENERAL, MEASURES, UNTOUCHED, Gate, measures
from conftest import CHROMIUM_FLAGS, Open

EXPERT = "coarse"
CONTRAST = 5
"""The measure that the gate looks at."""
FAINT, STRONG = 2.5, 3.55
"""Where a frame is left as it is below, and above which it is the expert's."""

FRAMES = """
  const bitmap = async (url) => createImageBitmap(await (await fetch(url)).blob());
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const sharpenOne = async (sharpener, url, options) => {
    const { received, sharp } = await sharpener.sharpen(await bitmap(url), options);
    Object.assign(canvas, { width: received.width, height: received.height });
    context.drawImage(sharp ?? received, 0, 0);
    return canvas.toDataURL();
  };
  // Sharpen until the result has changed and then stays the same for some frames.
  const sharpenUntilChanged = async (sharpener, url, before) => {
    let last = before;
    for (let same = 0; same < 12; ) {
      const next = await sharpenOne(sharpener, url);
      same = next !== before && next === last ? same + 1 : 0;
      last = next;
    }
    return last;
  };
"""


def contrast_gate() -> bytes:
    """A gate that looks at contrast alone."""
    weight = np.zeros((3, MEASURES), np.float32)
    weight[:, CONTRAST] = 0, 100, 200
    bias = np.array([0, -100 * FAINT, -100 * (FAINT + STRONG)], np.float32)
    ones = np.ones(MEASURES, np.float32)
    return Gate((UNTOUCHED, GENERAL, EXPERT), 0 * ones, ones, ((weight, bias),)).written()


class Mixed:
    """A bundle of small's weights for all links and large's as its expert, and the two as bundles of their own."""

    def __init__(self, folder: Path) -> None:
        small, large = (read_bundle(bundled_models()[name]) for name in ("small", "large"))
        card = replace(small.card, name="mixed")
        self.graphs = {GENERAL: _graphs(small), EXPERT: _graphs(large)}
        experts = {EXPERT: self.graphs[EXPERT]}
        self.bundle = write_bundle(folder / "mixed", card, self.graphs[GENERAL], experts=experts, gate=contrast_gate())
        self.alone = {
            name: write_bundle(folder / name, replace(card, name=name), graphs).folder
            for name, graphs in self.graphs.items()
        }

    def expected(self, choice: str, frame: Frame, precision: Precision = "int8") -> Frame:
        """What the weights of a choice make of a frame."""
        return load(self.alone[choice], precision=precision, device="cpu").sharpen(frame)


def _graphs(bundle: Bundle) -> dict[Precision, bytes]:
    return {precision: bundle.graph(precision) for precision in bundle.card.graphs}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    return Mixed(tmp_path_factory.mktemp("experts"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mixed: Mixed) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server"), "--model", str(mixed.bundle.folder)) as one:
        yield one


@pytest.fixture(scope="module")
def pictures() -> dict[str, Frame]:
    """A picture for each choice: one that is soft as after enlarging, in three contrasts."""
    astronaut = Image.fromarray(data.astronaut()[20:117, 160:289])
    soft = astronaut.resize((65, 49), Image.Resampling.BICUBIC).resize(astronaut.size, Image.Resampling.BILINEAR)
    contrasts = {UNTOUCHED: 0.1, GENERAL: 0.6, EXPERT: 1.0}
    found = {
        choice: (128 + (np.asarray(soft) - 128.0) * contrast).astype(np.uint8) for choice, contrast in contrasts.items()
    }
    levels = [measures(frame)[CONTRAST] for frame in found.values()]
    assert levels[0] < FAINT - 0.2 < FAINT + 0.2 < levels[1] < STRONG - 0.2 < STRONG + 0.2 < levels[2]
    return found


def address_of(frame: Frame) -> str:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "PNG")
    return f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"


@pytest.fixture(scope="module")
def addresses(pictures: dict[str, Frame]) -> dict[str, str]:
    return {choice: address_of(frame) for choice, frame in pictures.items()}


def assert_made_by(mixed: Mixed, choice: str, url: str, frame: Frame, precision: Precision = "int8") -> None:
    """The picture is what these weights give, and not what the others do."""
    found = pixels(url)
    away = {name: mean_difference(found, mixed.expected(name, frame, precision)) for name in mixed.alone}
    assert away.pop(choice) < 0.1, choice
    assert min(away.values()) > 0.5, choice


def asked_for(page: Page) -> list[str]:
    """Note which files of models are asked for from now on."""
    names: list[str] = []
    page.context.on(
        "request", lambda request: names.append(request.url.rsplit("/", 1)[1]) if "/models/" in request.url else None
    )
    return names


def test_the_server_lists_and_gives_all_files(server: Served, mixed: Mixed) -> None:
    entries = {
        entry["name"]: entry["files"] for entry in json.loads(server.request("GET", "/models/index.json")[2])["models"]
    }
    assert entries["mixed"] == list(mixed.bundle.files)
    card = mixed.bundle.card
    assert card.gate is not None
    for entry in (*card.graphs.values(), *card.experts[EXPERT].values(), card.gate):
        status, headers, content = server.request("GET", f"/models/mixed/{entry.file}")
        assert (status, hashlib.sha256(content).hexdigest()) == (200, entry.sha256)
        kind = "application/json" if entry.file.endswith(".json") else "application/octet-stream"
        assert headers["content-type"] == kind


def test_the_gates_choice_is_used(
    open_page: Open, server: Served, mixed: Mixed, pictures: dict[str, Frame], addresses: dict[str, str]
) -> None:
    """In one stream: the weights for all links, the expert once it is there, the frame as it is, and back."""
    page = open_page(BLANK, base=server.url)
    asked = asked_for(page)
    first, early, late, untouched, back = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  const first = await sharpenOne(sharpener, argument.general);
  const early = await sharpenOne(sharpener, argument.coarse);
  const late = await sharpenUntilChanged(sharpener, argument.coarse, early);
  const others = [];
  for (const choice of ["untouched", "general"]) {
    const still = await sharpenOne(sharpener, argument[choice]);
    others.push(await sharpenUntilChanged(sharpener, argument[choice], still));
  }
  sharpener.close();
  return [first, early, late, ...others];""",
        addresses,
    )
    assert_made_by(mixed, GENERAL, first, pictures[GENERAL])
    assert_made_by(mixed, GENERAL, early, pictures[EXPERT])
    assert_made_by(mixed, EXPERT, late, pictures[EXPERT])
    assert np.array_equal(pixels(untouched), pictures[UNTOUCHED])
    assert_made_by(mixed, GENERAL, back, pictures[GENERAL])
    files = [name for name in asked if name.startswith("mixed")]
    assert sorted(files) == ["mixed-coarse.int8.onnx", "mixed.gate.json", "mixed.int8.onnx"], "each once"


def test_an_expert_is_not_fetched_before_it_is_wanted(
    open_page: Open, server: Served, addresses: dict[str, str]
) -> None:
    page = open_page(BLANK, base=server.url)
    asked = asked_for(page)
    run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  for (let n = 0; n < 5; n++) await sharpenOne(sharpener, argument.general);
  sharpener.close();""",
        addresses,
    )
    assert "mixed.int8.onnx" in asked
    assert "mixed-coarse.int8.onnx" not in asked


def test_frames_of_another_size_are_another_stream(
    open_page: Open, server: Served, mixed: Mixed, pictures: dict[str, Frame], addresses: dict[str, str]
) -> None:
    page = open_page(BLANK, base=server.url)
    narrow = np.ascontiguousarray(pictures[UNTOUCHED][:, :100])
    same, changed = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  await sharpenOne(sharpener, argument.general);
  const same = await sharpenOne(sharpener, argument.untouched);
  const changed = await sharpenOne(sharpener, argument.narrow);
  sharpener.close();
  return [same, changed];""",
        {**addresses, "narrow": address_of(narrow)},
    )
    assert mean_difference(pixels(same), mixed.expected(GENERAL, pictures[UNTOUCHED])) < 0.1
    assert np.array_equal(pixels(changed), narrow)


def test_a_picture_of_its_own_waits_for_its_weights(
    open_page: Open, server: Served, mixed: Mixed, pictures: dict[str, Frame], addresses: dict[str, str]
) -> None:
    page = open_page(BLANK, base=server.url)
    results = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  const results = [];
  for (const choice of ["coarse", "untouched", "general"])
    results.push(await sharpenOne(sharpener, argument[choice], { alone: true }));
  sharpener.close();
  return results;""",
        addresses,
    )
    assert_made_by(mixed, EXPERT, results[0], pictures[EXPERT])
    assert np.array_equal(pixels(results[1]), pictures[UNTOUCHED])
    assert_made_by(mixed, GENERAL, results[2], pictures[GENERAL])


def test_the_page_shows_a_picture_by_its_expert(
    open_page: Open, server: Served, mixed: Mixed, pictures: dict[str, Frame], tmp_path: Path
) -> None:
    path = tmp_path / "coarse.png"
    Image.fromarray(pictures[EXPERT]).save(path)
    page = open_page(base=server.url)
    drop(page, path)
    received, sharp = shown(page)
    assert np.array_equal(received, pictures[EXPERT])
    assert mean_difference(sharp, mixed.expected(EXPERT, received)) < 0.1


def damaged(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda route: route.fulfill(body=damaged(route.fetch().body())), "arrived damaged: its checksum"),
        (lambda route: route.fulfill(status=404), "the server says 404"),
        (lambda route: route.abort(), "doesn't answer"),
    ],
    ids=["damaged", "missing", "offline"],
)
def test_the_weights_for_all_links_go_on_when_an_expert_cant_be_loaded(
    open_page: Open,
    server: Served,
    mixed: Mixed,
    pictures: dict[str, Frame],
    addresses: dict[str, str],
    answer: Callable[[Route], None],
    reason: str,
) -> None:
    page = open_page(
        BLANK, base=server.url, expected=r"goes on without its weights for coarse links|Failed to load resource"
    )
    page.context.route("**/mixed-coarse.int8.onnx", answer)
    asked = asked_for(page)
    warnings: list[str] = []
    page.on("console", lambda line: warnings.append(line.text) if line.type == "warning" else None)
    first, last, running = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  const first = await sharpenOne(sharpener, argument.coarse);
  await sharpenOne(sharpener, argument.coarse, { alone: true });
  let last = first;
  for (let n = 0; n < 10; n++) last = await sharpenOne(sharpener, argument.coarse);
  const { running } = sharpener;
  sharpener.close();
  return [first, last, running];""",
        addresses,
    )
    assert_made_by(mixed, GENERAL, first, pictures[EXPERT])
    assert_made_by(mixed, GENERAL, last, pictures[EXPERT])
    assert running["model"] == "mixed"
    assert asked.count("mixed-coarse.int8.onnx") == 1, "no frame tries again"
    [warning] = [text for text in warnings if text.startswith("clearcall")]
    assert "mixed goes on without its weights for coarse links" in warning
    assert reason in warning


def test_a_damaged_gate_is_told_as_a_damaged_model_is(open_page: Open, server: Served) -> None:
    page = open_page(BLANK, base=server.url)
    page.context.route("**/mixed.gate.json", lambda route: route.fulfill(body=damaged(route.fetch().body())))
    message = run(page, 'return clearcall.Sharpener.load({ model: "mixed" }).catch((error) => error.message);')
    assert message == "The model mixed arrived damaged: its checksum is not its card's; load it again."


def test_an_expert_is_started_while_frames_run(
    open_page: Open, server: Served, mixed: Mixed, pictures: dict[str, Frame], addresses: dict[str, str]
) -> None:
    """A session begins among the runs of another: none of the frames around it may be anything but one of the two."""
    page = open_page(BLANK, base=server.url)
    results: list[str] = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", minRate: 0 });
  const waiting = [];
  for (let n = 0; n < 60; n++) {
    waiting.push(sharpener.sharpen(await bitmap(argument.coarse)));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const results = [];
  for (const { received, sharp } of await Promise.all(waiting)) {
    Object.assign(canvas, { width: received.width, height: received.height });
    context.drawImage(sharp, 0, 0);
    results.push(canvas.toDataURL());
  }
  sharpener.close();
  return results;""",
        addresses,
    )
    assert_in_turn(mixed, results, pictures[EXPERT], "int8")


def assert_in_turn(mixed: Mixed, results: list[str], frame: Frame, precision: Precision) -> None:
    """Some frames of the weights for all links, then those of the expert."""
    turn = next((n for n, url in enumerate(results) if url != results[0]), len(results))
    assert 0 < turn < len(results), "the expert has taken over"
    assert len(set(results[:turn])) == len(set(results[turn:])) == 1
    assert_made_by(mixed, GENERAL, results[0], frame, precision)
    assert_made_by(mixed, EXPERT, results[-1], frame, precision)


def test_experts_by_webgpu(
    playwright: Playwright,
    chromium: str,
    server: Served,
    mixed: Mixed,
    pictures: dict[str, Frame],
) -> None:
    flags = [flag for flag in CHROMIUM_FLAGS if flag != "--disable-gpu"] + WEBGPU_FLAGS
    browser = playwright.chromium.launch(executable_path=chromium, args=flags)
    page = browser.new_page()
    page.goto(server.url + BLANK)
    frame = np.ascontiguousarray(pictures[EXPERT][:48, :64])
    results: Any = run(
        page,
        FRAMES
        + """
  const sharpener = await clearcall.Sharpener.load({ model: "mixed", backend: "webgpu", minRate: 0 });
  const results = [];
  for (let n = 0; n < 200 && new Set(results.slice(0, -3)).size < 2; n++)
    results.push(await sharpenOne(sharpener, argument));
  sharpener.close();
  return results;""",
        address_of(frame),
    )
    browser.close()
    assert_in_turn(mixed, results, frame, "float32")
