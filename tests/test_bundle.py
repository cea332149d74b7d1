import json
import shutil

import pytest

from clearcall.bundle import FORMAT_VERSION, Card, bundled_models, read_bundle, write_bundle
from clearcall.errors import BundleError, OutputError

CARD = Card(format_version=FORMAT_VERSION, name="tiny", parameters=1, multiple_of=2, student={}, graphs={})


@pytest.fixture
def small(tmp_path):
    return shutil.copytree(bundled_models()["small"], tmp_path / "small")


def test_what_is_written_is_read_again(tmp_path):
    write_bundle(tmp_path / "tiny", CARD, {"int8": b"graph"})
    bundle = read_bundle(tmp_path / "tiny")
    assert bundle.graph("int8") == b"graph"
    assert bundle.card.name == "tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_bundled_models_are_whole_and_small():
    for folder in bundled_models().values():
        bundle = read_bundle(folder)
        total = sum(len(bundle.graph(precision)) for precision in bundle.card.graphs)
        assert 0 < total < 1_000_000


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
        ({"graphs": {"int8": {"file": "../../etc/passwd", "sha256": "0" * 64}}}, "wrong at graphs"),
    ],
)
def test_a_wrong_card_is_refused(small, change, expected):
    path = small / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=expected):
        read_bundle(small)


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_card_that_is_no_card(small, content):
    (small / "card.json").write_text(content)
    with pytest.raises(BundleError):
        read_bundle(small)


def test_a_folder_without_card(tmp_path):
    with pytest.raises(BundleError, match="not a model bundle"):
        read_bundle(tmp_path)


def test_an_unknown_precision_names_the_known_ones(small):
    with pytest.raises(BundleError, match="it has: int8, float32"):
        read_bundle(small).graph("int4")
