import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearcall.bundle import FORMAT_VERSION, Card, bundled_models, read_bundle, write_bundle
from clearcall.errors import BundleError, OutputError

CARD = Card(format_version=FORMAT_VERSION, name="tiny", parameters=1, multiple_of=2, student={}, graphs={})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("int8"), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def small(tmp_path):
    return shutil.copytree(bundled_models()["small"], tmp_path / "small")


def test_what_is_written_is_read_again(tmp_path):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"})
    bundle = read_bundle(tmp_path / "tiny")
    assert bundle.graph("int8") == b"graph"
    assert bundle.card.name == "tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_experts_and_their_gate_are_written_and_read_again(tmp_path):
    experts = {"other": {"int8": b"other graph"}}
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"}, experts=experts, gate=b"{}")
    bundle = read_bundle(tmp_path / "tiny")
    assert bundle.card.format_version == 2
    assert (bundle.graph("int8"), bundle.gate()) == (b"graph", b"{}")
    assert bundle.expert("other").graph("int8") == b"other graph"
    for alone in (bundle.expert("other"), bundle.without_experts()):
        assert not alone.card.experts
        with pytest.raises(BundleError, match="no experts"):
            alone.gate()
    with pytest.raises(BundleError, match="no expert another; it has: other"):
        bundle.expert("another")


def test_a_bundle_without_experts_stays_readable_by_readers_of_format_1(tmp_path):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"})
    card = json.loads((tmp_path / "tiny" / "card.json").read_text())
    assert card["format_version"] == 1
    assert not {"experts", "gate"} & card.keys()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gate": None}, "wrong at gate"),
        ({"experts": {}}, "wrong at gate"),
        ({"gate": {"file": "../gate.json", "sha256": "0" * 64}}, "wrong at gate"),
        ({"experts": {"other": {"int8": {"file": "a.txt", "sha256": "0" * 64}}}}, "wrong at experts"),
        ({"experts": {"other": {"int4": {"file": "a.onnx", "sha256": "0" * 64}}}}, "wrong at experts"),
        ({"experts": "other"}, "wrong at experts"),
    ],
)
def test_wrong_experts_are_refused(tmp_path, change, reason):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"}, experts={"other": {"int8": b"other"}}, gate=b"{}")
    path = tmp_path / "tiny" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=reason):
        read_bundle(tmp_path / "tiny")


def test_a_damaged_gate_is_refused(tmp_path):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"}, experts={"other": {"int8": b"other"}}, gate=b"{}")
    (tmp_path / "tiny" / "tiny.gate.json").write_bytes(b"[]")
    with pytest.raises(BundleError, match="damaged"):
        read_bundle(tmp_path / "tiny").gate()


def test_bundled_models_are_whole_and_small():
    for folder in bundled_models().values():
        bundle = read_bundle(folder)
        total = sum(len(bundle.graph(precision)) for precision in bundle.card.graphs)
        assert 0 < total < 1_500_000


def test_an_existing_bundle_is_kept_without_force(tmp_path):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"old"})
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(tmp_path / "tiny", CARD, {"int8": b"new"})
    assert read_bundle(tmp_path / "tiny").graph("int8") == b"old"
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"new"}, force=True)
    assert read_bundle(tmp_path / "tiny").graph("int8") == b"new"


def test_force_never_replaces_a_folder_that_is_no_bundle(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not a model bundle"):
        write_bundle(tmp_path / "home", CARD, {"int8": b"x"}, force=True)
    assert (tmp_path / "home" / "letter.txt").exists()


def test_a_damaged_graph_is_refused(small):
    graph = small / "small.int8.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match="checksum"):
        read_bundle(small).graph("int8")


def test_a_missing_graph_file_is_named(small):
    (small / "small.int8.onnx").unlink()
    with pytest.raises(BundleError, match=r"small\.int8\.onnx can't be read"):
        read_bundle(small).graph("int8")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format_version": 99}, "format version 99"),
        ({"format_version": None}, "format version None"),
        ({"multiple_of": 0}, "wrong at multiple_of"),
        ({"multiple_of": True}, "wrong at multiple_of, which must be a whole number from 1 to 16"),
        ({"multiple_of": 2.0}, "wrong at multiple_of"),
        ({"multiple_of": 17}, "wrong at multiple_of"),
        ({"graphs": {"int8": {"file": "../../etc/passwd", "sha256": "0" * 64}}}, "wrong at graphs"),
        ({"graphs": {"int8": {"file": "a.onnx", "sha256": "0" * 63}}}, "wrong at graphs"),
        ({"graphs": {"int8": {"file": "a.onnx"}}}, "wrong at graphs"),
        ({"graphs": {"int8": {"file": "a.onnx", "sha256": 7}}}, "wrong at graphs"),
        ({"graphs": {"int4": {"file": "a.onnx", "sha256": "0" * 64}}}, "wrong at graphs"),
        ({"graphs": []}, "wrong at graphs"),
        ({"name": None}, "wrong at name, which must be text"),
        ({"parameters": "many"}, "wrong at parameters"),
        ({"student": {"stride": "2"}}, "wrong at student"),
        ({"scores": {"ssim": "good"}}, "wrong at scores"),
        ({"training": {"losses": ["l1"]}}, "wrong at training"),
    ],
)
def test_a_wrong_card_is_refused(small, change, expected):
    path = small / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=expected):
        read_bundle(small)


def test_an_entry_that_is_missing_is_named(small):
    path = small / "card.json"
    values = json.loads(path.read_text())
    for name in ("name", "parameters", "multiple_of", "student", "graphs"):
        path.write_text(json.dumps({key: value for key, value in values.items() if key != name}))
        with pytest.raises(BundleError, match=f"wrong at {name}, which is missing"):
            read_bundle(small)


def test_a_card_needs_no_more_than_it_must_say_and_may_say_more(small):
    path = small / "card.json"
    values = json.loads(path.read_text())
    for name in ("description", "licence", "training", "scores", "protocol"):
        del values[name]
    path.write_text(json.dumps({**values, "colour_of_the_box": "red"}))
    assert read_bundle(small).card.licence == "MIT"


@given(
    name=st.text(),
    training=st.dictionaries(st.text(), st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    scores=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_every_card_comes_back_as_it_was(name, training, scores):
    card = replace(CARD, name="tiny", description=name, training=training, scores=scores)
    with tempfile.TemporaryDirectory() as folder:
        written = write_bundle(Path(folder) / "tiny", card, {"int8": b"graph"})
        assert read_bundle(written.folder) == written


@given(change=st.dictionaries(st.sampled_from(sorted(asdict(CARD))), json_values))
def test_no_card_ends_in_anything_but_a_card_or_an_error_of_ours(change):
    values = {**asdict(CARD), **change}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "card.json").write_text(json.dumps(values))
        with suppress(BundleError):
            read_bundle(Path(folder)).graph("int8")


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_card_that_is_no_card(small, content):
    (small / "card.json").write_text(content)
    with pytest.raises(BundleError):
        read_bundle(small)


def test_all_files_of_a_bundle_are_named(tmp_path):
    plain = write_bundle(tmp_path / "plain", CARD, {"int8": b"a", "float32": b"b"})
    assert plain.files == ("card.json", "tiny.int8.onnx", "tiny.float32.onnx")
    experts = {"far": {"int8": b"c"}, "near": {"int8": b"d"}}
    mixed = write_bundle(tmp_path / "mixed", CARD, {"int8": b"a"}, experts=experts, gate=b"{}")
    assert set(mixed.files) == {path.name for path in mixed.folder.iterdir()}
    assert len(mixed.files) == 5


def test_a_folder_without_card(tmp_path):
    with pytest.raises(BundleError, match="not a model bundle"):
        read_bundle(tmp_path)


def test_an_unknown_precision_names_the_known_ones(small):
    with pytest.raises(BundleError, match="it has: int8, float32"):
        read_bundle(small).graph("int4")
