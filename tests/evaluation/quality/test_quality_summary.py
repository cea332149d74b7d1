"""Summaries, gains and bits saved on made-up records whose answers are known."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tiny_run import made_up

from clearcall.degrade import LADDER, PROFILES, Profile
from clearcall.errors import InputError
from clearcall.evaluation.quality.compare import compare
from clearcall.evaluation.quality.summary import ALL, CODED, bits_saved, rate_curves, summaries

LINKS = [PROFILES[name] for name in LADDER]


def test_each_codec_saves_the_share_that_the_model_needs_less() -> None:
    for share in (0.8, 1.25):
        saved = bits_saved(made_up(LINKS, share), LINKS, "ssim", draws=20)
        assert set(saved) == {"h264", "vp8", "vp9", "av1", ALL}
        for of_codec in saved.values():
            found = of_codec["m"]
            assert found is not None
            assert found.percent == pytest.approx(100 * (share - 1), abs=0.01)
            assert found.low <= found.percent + 1e-6
            assert found.high >= found.percent - 1e-6


def test_bits_saved_of_what_was_not_measured_are_not_made_up() -> None:
    assert bits_saved(made_up(LINKS), LINKS, "lpips") == {}
    few = [link for link in LINKS if link.codec == "vp8"][:3]
    assert bits_saved(made_up(few), few, "ssim") == {"vp8": {"m": None}, ALL: {"m": None}}


def test_curves_are_means_over_sources_by_rate() -> None:
    links = [link for link in LINKS if link.codec == "av1"]
    curve = rate_curves(made_up(links), links, "ssim")["av1"]["input"]
    assert [rate for rate, _ in curve] == sorted(link.bitrate_kbps * 1.05 for link in links)
    assert len(curve) == 8


def test_all_coded_profiles_together_are_the_mean_of_each_source() -> None:
    links = [Profile(name="clean"), *LINKS[4:7]]
    records = made_up(links, names=("a_001", "a_002", "b_001"))
    found = {(summary.profile, summary.category): summary for summary in summaries(records, links)}
    assert found[CODED, ALL].count == 3
    assert found[CODED, "a"].count == 2
    coded = [record.scores["m"].ssim for record in records if record.profile != "clean"]
    assert found[CODED, ALL].spreads["m"].mean.ssim == pytest.approx(np.mean(coded))
    assert found[CODED, ALL].spreads["m"].mean.lpips is None
    assert found[CODED, ALL].gains["m"].vmaf == pytest.approx(100 * 0.06 * np.log(1.25))


def test_harm_and_the_worst_are_counted() -> None:
    link = Profile(name="clean")
    (one,) = made_up([link], names=("a",))
    records = [
        replace(one, scores={"input": one.scores["input"], "m": replace(one.scores["m"], ssim=0.5 + index / 100)})
        for index in range(40)
    ]
    summary = summaries(records, [link])[0]
    assert summary.gains["m"].harmed == sum(record.scores["m"].ssim < record.scores["input"].ssim for record in records)
    spread = summary.spreads["m"]
    assert (spread.ssim_worst, spread.ssim_least) == pytest.approx((0.505, 0.5))
    assert (spread.ssim_median, spread.ssim_good) == pytest.approx((0.695, 0))


def save(path: Path, models: list[str], gain: float, names: tuple[str, ...] = ("a", "b", "c")) -> Path:
    records = []
    for index, record in enumerate(made_up([Profile(name="clean"), LINKS[5]], names=names)):
        better = replace(record.scores["m"], ssim=record.scores["m"].ssim + gain + index % 3 / 1000)
        records.append(asdict(replace(record, scores={"input": record.scores["input"], models[0]: better})))
    path.write_text(json.dumps({"models": models, "records": records}))
    return path


def test_two_runs_are_compared_picture_by_picture(tmp_path: Path) -> None:
    found = compare(save(tmp_path / "a.json", ["old"], 0), save(tmp_path / "b.json", ["new"], 0.02))
    assert (found.before, found.after, found.inputs_differ) == ("old", "new", ())
    assert [(row.profile, row.count) for row in found.differences] == [("clean", 3), (LINKS[5].name, 3)]
    for row in found.differences:
        assert row.change.mean == pytest.approx(0.02)
        assert row.change.is_clear
        assert row.after - row.before == pytest.approx(0.02)


def test_only_what_both_measured_counts_and_other_inputs_are_named(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a.json", ["m"], 0, ("a", "b")), save(tmp_path / "b.json", ["m"], 0, ("b", "c"))
    found = compare(one, other)
    assert [row.count for row in found.differences] == [1, 1]
    assert found.inputs_differ == ("clean", LINKS[5].name)  # made up by place: another input


def test_files_that_cannot_be_compared_are_one_sentence(tmp_path: Path) -> None:
    good = save(tmp_path / "a.json", ["m"], 0)
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.json").write_text('{"models": [], "records": []}')
    for path, sentence in (("missing", "Can't read"), ("b.json", "no result of"), ("c.json", "baselines only")):
        with pytest.raises(InputError, match=sentence):
            compare(good, tmp_path / path)
    with pytest.raises(InputError, match="share no picture"):
        compare(good, save(tmp_path / "d.json", ["m"], 0, ("x",)))
