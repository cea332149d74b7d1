import pytest
from pydantic import ValidationError

from clearcall.training.teachers.config import TeacherConfig


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("nafnett", "nafnet"), ("Restormer", "restormer"), ("swin-ir", "swinir")]
)
def test_an_unknown_architecture_names_the_nearest(wrong, nearest):
    with pytest.raises(ValidationError, match=f"the nearest .* is '{nearest}'"):
        TeacherConfig(architecture=wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stride": 3}, "stride must be 1, 2 or 4"),
        ({"encoder": (1, 1)}, "encoder has 2 levels and decoder 3"),
        ({"encoder": (), "decoder": ()}, "encoder"),
        ({"middle": 0}, "middle"),
        ({"options": {"dim": 8}}, "options are not for nafnet"),
        ({"architecture": "swinir", "stride": 2}, "stride is for nafnet only"),
        ({"architecture": "spandrel"}, "needs weights"),
        ({"sha256": "abc"}, "sha256"),
        ({"scale": 0}, "scale"),
        ({"widht": 8}, "widht"),
    ],
)
def test_impossible_teachers_are_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        TeacherConfig(**wrong)


def test_a_configuration_survives_json_and_cannot_be_changed():
    config = TeacherConfig(architecture="swinir", options={"depths": [2, 2], "upsampler": "pixelshuffle"}, scale=2)
    assert TeacherConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError):
        config.scale = 4
