import pytest

from clearcall import errors


def test_every_kind_has_its_own_exit_status():
    kinds = errors.ClearcallError.__subclasses__()
    statuses = [kind.exit_status for kind in kinds if kind.__module__ == "clearcall.errors"]
    assert len(set(statuses)) == len(statuses)
    assert 0 not in statuses


def test_a_missing_extra_says_how_to_install_it():
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'clearcall\[train\]'"):
        errors.require("no_such_module_at_all", extra="train")
