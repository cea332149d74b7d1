"""A whole run: what is measured, what is remembered, what can't be measured."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_run import COFFEE, LINKS, MODEL, Ran, sharper

from clearcall.degrade import Profile, degrade_picture
from clearcall.degrade.scale import resize
from clearcall.errors import ClearcallError, InputError, OutputError
from clearcall.evaluation.filters import cas, unsharp
from clearcall.evaluation.metrics import psnr, ssim
from clearcall.evaluation.multiscale import structure
from clearcall.evaluation.quality import run as run_module
from clearcall.evaluation.quality.journal import NAME
from clearcall.evaluation.quality.measure import Meter, Record, Setup
from clearcall.evaluation.quality.methods import GRID, Candidate
from clearcall.evaluation.quality.run import run
from clearcall.evaluation.quality.sources import Source, find_sources
from clearcall.evaluation.vmaf import VmafMeter, find_ffmpeg


def record_of(ran: Ran, name: str, profile: str) -> Record:
    return next(r for r in ran.outcome.findings.records if (r.name, r.profile) == (name, profile))


def test_every_source_behind_every_link_has_every_method(ran: Ran) -> None:
    found = [(r.profile, r.name) for r in ran.outcome.findings.records]
    names = ["people_001.png", "people_002.mp4", "things_001.png"]
    assert found == [(link.name, name) for link in LINKS for name in names]
    methods = ["input", "bicubic", "lanczos", "unsharp", "cas", "<model>"]
    assert all(list(r.scores) == methods for r in ran.outcome.findings.records)
    assert [failure.name for failure in ran.outcome.findings.failures] == ["broken_001.png"]


def test_scores_are_those_of_the_metrics(ran: Ran) -> None:
    record, link = record_of(ran, "things_001.png", "bicubic-x2"), LINKS[0]
    shown, received = degrade_picture(COFFEE, link), degrade_picture(COFFEE, link, as_sent=True)
    outputs = {
        "input": shown,
        "bicubic": resize(received, 200, 180, "bicubic"),
        "lanczos": resize(received, 200, 180, "lanczos"),
        "unsharp": unsharp(record.strengths["unsharp"])(shown),
        "cas": cas(record.strengths["cas"])(shown),
        "<model>": sharper()(shown),
    }
    for name, output in outputs.items():
        score, of_structure = record.scores[name], structure(output, COFFEE)
        assert score.ssim == pytest.approx(ssim(output, COFFEE), abs=1e-9)
        assert (score.ms_ssim, score.ms_ssim_y) == (of_structure.ms_ssim, of_structure.ms_ssim_y)
        assert score.psnr == psnr(output, COFFEE)
        assert (score.lpips, score.flicker) == (None, None)
        with VmafMeter(find_ffmpeg() or "") as meter:
            meter.write(output, COFFEE)
            assert (score.vmaf, score.vmaf_neg) == meter.scores()[0]
    assert (record.width, record.height, record.frames, record.kbps) == (200, 180, 1, 0)


def test_bicubic_is_the_input_where_the_link_shows_it_so(ran: Ran) -> None:
    assert (
        record_of(ran, "things_001.png", "half").scores["bicubic"]
        == record_of(ran, "things_001.png", "half").scores["input"]
    )


def test_a_clip_has_flicker_and_every_frame_counts(ran: Ran) -> None:
    record = record_of(ran, "people_002.mp4", "half")
    assert record.frames == 3
    assert record.kbps > 0
    assert all(score.flicker and score.vmaf for score in record.scores.values())
    assert record_of(ran, "people_002.mp4", "clean").scores["input"].flicker == 0


class Following:
    """Gives frames back brighter the later they come in a stream."""

    def __init__(self) -> None:
        self.seen = 0

    def following(self) -> Following:
        return Following()

    def sharpen(self, frame):
        self.seen += 1
        return frame + np.uint8(0 if self.seen == 1 else 1)


def test_a_model_that_follows_streams_begins_anew_with_each_source(ran: Ran, tmp_path: Path) -> None:
    sources = [source for source in find_sources(ran.folder) if source.name != "broken_001.png"]
    found = run(sources, LINKS[2:], Setup((Candidate("m", Following, ""),)), tmp_path / NAME).records
    scores = {record.name: (record.scores["m"], record.scores["input"]) for record in found}
    for name in ("people_001.png", "things_001.png"):
        assert scores[name][0] == scores[name][1]
    assert scores["people_002.mp4"][0].ssim < scores["people_002.mp4"][1].ssim


def test_filters_have_the_strength_that_is_best_for_the_link(ran: Ran, tmp_path: Path) -> None:
    sources = [source for source in find_sources(ran.folder) if source.name == "things_001.png"]
    strengths = run(sources, LINKS, Setup(), tmp_path / NAME).strengths
    shown = degrade_picture(COFFEE, LINKS[0])
    of_unsharp = {strength: ssim(unsharp(strength)(shown), COFFEE) for strength in GRID["unsharp"]}
    assert strengths["bicubic-x2"]["unsharp"] == max(of_unsharp, key=of_unsharp.__getitem__)
    assert strengths["clean"] == {"unsharp": min(GRID["unsharp"]), "cas": min(GRID["cas"])}


def never():
    raise AssertionError("measured again")


def test_what_is_measured_is_not_measured_again(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearcall.evaluation.quality.measure.Meter.tune", lambda *_: never())
    monkeypatch.setattr("clearcall.evaluation.quality.measure.Meter.measure", lambda *_: never())
    sources = [source for source in find_sources(ran.folder) if source.name != "broken_001.png"]
    with pytest.raises(OutputError, match="other files"):  # the broken one belongs to the run
        run(sources, LINKS, ran.outcome.setup, ran.results / NAME)
    with pytest.raises(AssertionError, match="measured again"):  # it alone is tried again
        run(find_sources(ran.folder), LINKS, ran.outcome.setup, ran.results / NAME)


def test_what_an_earlier_run_found_is_taken_over_but_for_other_weights(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "before").mkdir()
    marked = (ran.results / NAME).read_text().replace('"ssim_y": 0.', '"ssim_y": 7.')
    (tmp_path / "before" / NAME).write_text(marked)
    other = Candidate("other", sharper, "0.6 again")
    setup = Setup((MODEL, other), ran.outcome.setup.ffmpeg)
    found = run(find_sources(ran.folder), LINKS[:2], setup, tmp_path / NAME, reuse=tmp_path / "before" / NAME)
    for record in found.records:
        known = {name for name, score in record.scores.items() if score.ssim_y > 1}
        assert known == record.scores.keys() - {"other"}
        assert record.scores["other"].ssim == record.scores[MODEL.name].ssim
        assert list(record.scores)[-2:] == [MODEL.name, "other"]
    assert found.strengths == {link.name: ran.outcome.findings.strengths[link.name] for link in LINKS[:2]}
    tune = Meter.tune
    monkeypatch.setattr(Meter, "tune", lambda *one: tune(*one) if one[1].name == "broken_001.png" else never())
    again = run(find_sources(ran.folder), LINKS[:2], setup, tmp_path / "again.jsonl", reuse=tmp_path / NAME)
    assert again == found


def test_a_run_on_other_files_is_no_earlier_one(ran: Ran, tmp_path: Path) -> None:
    some = [source for source in find_sources(ran.folder) if source.name == "things_001.png"]
    with pytest.raises(InputError, match="nothing of it can be used"):
        run(some, LINKS, ran.outcome.setup, tmp_path / NAME, reuse=ran.results / NAME)
    with pytest.raises(OutputError, match="not the journal"):
        run(some, LINKS, ran.outcome.setup, tmp_path / NAME, reuse=tmp_path / "none" / NAME)


def test_processes_find_the_same(ran: Ran, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    found = run(
        find_sources(ran.folder),
        LINKS[1:2],
        ran.outcome.setup,
        tmp_path / NAME,
        workers=2,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert found.records == tuple(record for record in ran.outcome.findings.records if record.profile == "half")
    assert found.failures == ran.outcome.findings.failures
    assert seen == [(done, 4) for done in range(4)]


def end_this_process():
    """A model whose process dies as if memory had run out."""

    def end(frame):
        os.kill(os.getpid(), signal.SIGKILL)
        return frame

    return end


def test_a_process_that_is_killed_is_one_sentence(ran: Ran, tmp_path: Path) -> None:
    source = [Source("things_001.png", "things", ran.folder / "things_001.png")]
    setup = Setup((Candidate("m", end_this_process, ""),))
    with pytest.raises(ClearcallError, match="to go on, with fewer --workers"):
        run(source, [Profile(name="clean")], setup, tmp_path / NAME, workers=2)
    assert not multiprocessing.active_children()


def waits(folder: Path, times: int):
    """A model that waits forever, but only so many times, in whichever process."""

    def wait(frame):
        for number in range(times):
            with contextlib.suppress(FileExistsError):
                (folder / f"waited-{number}").touch(exist_ok=False)
                threading.Event().wait()
        return frame

    return wait


@pytest.mark.parametrize("times", [pytest.param(1, id="one"), pytest.param(2, id="all of them, so none is done")])
def test_processes_that_are_stuck_are_replaced(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(run_module, "STALLED", 2.0)
    sources = [Source(f"things_00{n}.png", "things", ran.folder / "things_001.png") for n in range(3)]
    setup = Setup((Candidate("m", partial(waits, tmp_path, times), ""),))
    found = run(sources, [Profile(name="clean")], setup, tmp_path / NAME, workers=2)
    assert [record.name for record in found.records] == [source.name for source in sources]
    assert len(list(tmp_path.glob("waited-*"))) == times
    assert not multiprocessing.active_children()


def test_nothing_to_measure_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"Not one of 1 files could be measured; .*a\.png"):
        run(find_sources(tmp_path), LINKS, Setup((MODEL,)), tmp_path / NAME)
