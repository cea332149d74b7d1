"""What a model has to show, and whether it does; a part of the sources, and models behind some links only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_run import LINKS, MODEL, Ran, made_up

from clearcall.degrade import PROFILES, Profile
from clearcall.evaluation.quality.bars import FLOAT_SUFFIX, Bar
from clearcall.evaluation.quality.bench import bench
from clearcall.evaluation.quality.files import Outcome
from clearcall.evaluation.quality.measure import Record, Setup
from clearcall.evaluation.quality.methods import Candidate
from clearcall.evaluation.quality.run import Findings

CODED = [link for link in PROFILES.values() if link.bitrate_kbps and link.codec == "vp8"]


def shown(links: Sequence[Profile], records: Sequence[Record], model: str = "small") -> dict[str, Bar]:
    candidates = (Candidate(model, object, ""), Candidate(model + FLOAT_SUFFIX, object, "", ships=False))
    outcome = Outcome(Setup(candidates), links, Findings(tuple(records), {}), {})
    return {bar.figure: bar for bar in outcome.bars}


def renamed(record: Record, model: str = "small", **gains: float) -> Record:
    """The record of a model whose SSIM is the input's and so much more."""
    before = replace(record.scores["input"], vmaf_neg=70, flicker=2.0)
    scores = {model + key.replace("_float32", FLOAT_SUFFIX): gain for key, gain in gains.items() if key != "own"}
    scores[model] = gains["own"]
    made = {name: replace(before, ssim=before.ssim + gain, vmaf_neg=70 + gain) for name, gain in scores.items()}
    return replace(record, scores={"input": before, **made})


def test_a_bar_is_met_or_missed_and_the_worst_place_is_named() -> None:
    records = [renamed(record, own=0.02 if record.name == "a_001" else -0.001) for record in made_up(CODED)]
    found = shown(CODED, records)
    assert found["codec ladder: mean SSIM gain"].value == pytest.approx(0.0095)
    assert found["codec ladder: mean SSIM gain"].verdict == "MISSED"
    least = found["codec ladder: least SSIM gain of a link and category"]
    assert (least.value, least.where) == (pytest.approx(-0.001), f"{CODED[0].name}, b")
    assert not least.is_met
    assert found["codec ladder: least VMAF NEG gain of a link"].is_met
    assert found["codec ladder: least VMAF gain of a link"].value == 0
    assert found["BD-rate, vp8"].bar is None
    assert found["BD-rate, all"].asked == "at most -13.0 %"
    assert found["flicker by the input's, codec ladder"].value == 1
    assert "bicubic-x2: mean SSIM" not in found  # what was not measured has no row


@pytest.mark.parametrize(
    ("figure", "value", "bar", "text"),
    [
        ("h264-half-crf28: SSIM gain", 0.016994, 0.017, "+0.01699"),
        ("h264-half-crf28: SSIM gain", 0.016998, 0.017, "+0.016998"),
        ("h264-half-crf28: SSIM gain", 0.0171, 0.017, "+0.0171"),
        ("bicubic-x2: mean SSIM", 0.94496, 0.945, "0.94496"),
        ("bicubic-x2: share above 0.90", 0.8397, 0.84, "83.97%"),
        ("BD-rate, all", -12.98, -13.0, "-12.98 %"),
    ],
)
def test_a_missed_value_is_never_printed_like_its_bar(figure: str, value: float, bar: float, text: str) -> None:
    met = value <= bar if figure.startswith("BD") else value >= bar
    assert Bar("small", figure, value, bar, "", met).found == text


def test_pictures_clean_frames_and_eight_bits_have_their_rows() -> None:
    links = [PROFILES["bicubic-x2"], PROFILES["clean"], PROFILES["h264-half-crf23"]]
    records = [renamed(record, own=0.02, _float32=0.0215) for record in made_up(links)]
    found = shown(links, records)
    assert found["bicubic-x2: least category mean"].where in ("a", "b")
    assert found["h264-half-crf23: SSIM gain"].is_met
    assert {"clean: mean SSIM", "clean: worst SSIM", "bicubic-x2: share above 0.90"} <= found.keys()
    lost = found["8 bits: most SSIM lost against float32"]
    assert (lost.value, lost.is_met) == (pytest.approx(0.0015), False)
    assert (
        shown(links, [renamed(r, "nano", own=0.02) for r in made_up(links)], "nano")["bicubic-x2: mean SSIM"].asked
        == "-"
    )


def test_a_teacher_is_compared_with_the_best_of_the_models() -> None:
    link = PROFILES["bicubic-x2"]
    psnr = {"small": 31.0, "large": 32.0, "teacher": 32.9, "teacher x8": 33.1}
    records = [
        replace(
            r, scores={"input": r.scores["input"], **{m: replace(r.scores["input"], psnr=v) for m, v in psnr.items()}}
        )
        for r in made_up([link])
    ]
    candidates = tuple(Candidate(name, object, "", ships=not name.startswith("teacher")) for name in psnr)
    outcome = Outcome(Setup(candidates), [link], Findings(tuple(records), {}), {})
    found = {bar.model: bar for bar in outcome.bars if bar.figure == "bicubic-x2: PSNR above the best model, in dB"}
    assert found.keys() == {"teacher", "teacher x8"}
    assert [(bar.found, bar.verdict) for bar in found.values()] == [
        ("+0.90 (large)", "MISSED"),
        ("+1.10 (large)", "met"),
    ]
    assert found["teacher"].asked == "at least +1.00"


def test_a_part_says_so_everywhere_and_a_teacher_may_stand_behind_some_links_only(ran: Ran, tmp_path: Path) -> None:
    teacher = replace(MODEL, name="teacher", ships=False, only=frozenset({"bicubic-x2"}))
    setup = Setup((MODEL, teacher), limit=1)
    folder = tmp_path / "sources"
    folder.mkdir()
    for name in ("people_001.png", "people_002.png", "things_001.png"):
        (folder / name).write_bytes((ran.folder / name.replace("_002", "_001")).read_bytes())
    outcome = bench(folder, LINKS, setup, tmp_path / "out", workers=1)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert outcome.counted == "2 of 3 pictures and clips"
    assert found["sources"] == {"measured": 2, "of": 3}
    assert found["models"] == ["<model>"]
    assert {r["profile"] for r in found["records"] if "teacher" in r["scores"]} == {"bicubic-x2"}
    for page in ("results.html", "panels.html"):
        assert "2 of 3 pictures and clips" in (tmp_path / "out" / page).read_text()
