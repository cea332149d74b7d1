"""Recipes: one TOML file per trained model, with everything needed to train it again."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clearcall.data import Blur
from clearcall.degrade.sampling import DEFAULT_MIX, TrainingMix
from clearcall.errors import RecipeError
from clearcall.training.student import StudentConfig
from clearcall.training.teachers.config import TeacherConfig

PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
View = Literal["zoomed", "shrunk", "degraded", "noisy"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where pairs come from and how they are cut.

    Attributes:
        source: ``degraded``: sharp pictures degraded on the fly; ``paired``: blur and sharp on disk (GoPro layout).
        blur: Which of GoPro's two blurred pictures pairs on disk take: ``blur``, as papers do, or ``blur_gamma``.
        degradation: ``random`` (drawn from ``mix``) or the name of a profile.
        mix: What ``random`` draws from, as shares and ranges; what isn't given is as for a model of all links.
        window: Side, in pixels, of the part of a sharp picture that is degraded as one piece.
        variants: Different degraded windows per sharp picture; an epoch shows each of them once.
        crop: Side, in pixels, of the squares that the network trains on.
        crops_per_window: Squares taken from each window (or pair) per epoch.
        fit: How a pair on disk becomes a square: ``crop`` at random places, or ``resize`` of the whole picture.
        detail: Share of squares chosen where detail is (the better of two random places).
        held_out: Sharp pictures set apart from training to track SSIM on, where no ``val`` folder is given; of pairs on
            disk whole sequences are set apart, and so many pairs of them watched.
        seed: Seed of the windows' places and degradations, so that runs of different ``training.seed`` share a cache.
        cache: Folder for windows, degraded or decoded once and read again in later epochs (empty: each time anew).
        workers: Processes that make pairs beside the training; with ``resident`` on a GPU, before it.
        resident: On a GPU, keep all windows in its memory (0.9 MB each at 384 pixels), so that no step waits for a
            square; a CPU trains as if this were off.
    """

    source: Literal["degraded", "paired"] = "degraded"
    blur: Blur = "blur"
    degradation: str = "random"
    mix: TrainingMix = DEFAULT_MIX
    window: int = Field(default=384, ge=16, le=2048)
    variants: int = Field(default=8, ge=1)
    crop: int = Field(default=128, ge=16, le=2048)
    crops_per_window: int = Field(default=8, ge=1)
    fit: Literal["crop", "resize"] = "crop"
    detail: float = Field(default=0.5, ge=0, le=1)
    held_out: int = Field(default=12, ge=1)
    seed: int = 0
    cache: str = ""
    workers: int = Field(default=2, ge=0)
    resident: bool = False


class LossWeights(_Section):
    """The weight of each loss; 0 leaves it out, and then it costs nothing.

    Attributes:
        l1: Mean absolute difference to the truth.
        charbonnier: The same, smooth near zero.
        ssim: 1 - SSIM.
        frequency: Difference of the spectra.
        perceptual: Difference of VGG-19's features (see ``PerceptualConfig``).
        flicker: Change from the frame before that the truth doesn't have; windows then hold that frame, too.
        output: Output distillation: imitate the teacher where it is nearer to the truth than the student.
        feature: Feature distillation (see ``DistillationConfig.features``).
        views: Imitate the teacher on other views of the input (see ``DistillationConfig.views``).
    """

    l1: Weight = 1.0
    charbonnier: Weight = 0.0
    ssim: Weight = 0.0
    frequency: Weight = 0.0
    perceptual: Weight = 0.0
    flicker: Weight = 0.0
    output: Weight = 0.0
    feature: Weight = 0.0
    views: Weight = 0.0


FROM_TEACHER = ("output", "feature", "views")
"""The losses that need a teacher."""


class PerceptualConfig(_Section):
    """What the perceptual loss looks at.

    Attributes:
        layers: Weight of each VGG-19 layer, up to ``relu5_4``.
        weights: ``torchvision`` (downloaded by it), or a file with at least the layers up to the deepest one named.
        share: Share of each batch's squares that it looks at: VGG-19 costs many times what a student does.
    """

    layers: dict[str, PositiveFloat] = {"relu1_2": 1.0, "relu2_2": 1.0, "relu3_4": 1.0}
    weights: str = "torchvision"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class DistillationConfig(_Section):
    """How the teacher teaches.

    Attributes:
        features: Pairs of a student's and a teacher's feature point whose maps are compared.
        views: Kinds of other views of the input, with the weight of each: ``zoomed`` (a part, enlarged), ``shrunk``,
            ``degraded`` (shrunk and enlarged again), ``noisy``.
        cache: Folder for the teacher's outputs, made once per window (empty: the teacher runs in each step).
        cache_gigabytes: Most that this folder may hold.
    """

    features: tuple[tuple[str, str], ...] = (("conv3", "decoder3"),)
    views: dict[View, PositiveFloat] = {"zoomed": 1.0, "shrunk": 1.0, "degraded": 1.0}
    cache: str = ""
    cache_gigabytes: PositiveFloat = 20.0


class HintsConfig(_Section):
    """From which wider student a student's layers take over what they do before the training (see ``take_hints``).

    Attributes:
        wide: The name of a shipped model, a bundle, or a checkpoint.
        squares: On how many squares of the training data the two are compared.
    """

    wide: str
    squares: int = Field(default=128, ge=1)


class TrainingConfig(_Section):
    """How the student is trained.

    Attributes:
        epochs: Passes over all windows.
        checkpoint_steps: Steps between two checkpoints within an epoch, besides the one at its end.
        batch_windows: Windows per step; times ``crops_per_window`` gives the squares per step.
        learning_rate: Adam's, at the end of the warm-up.
        final_learning_rate: Where the cosine decay ends.
        warmup_steps: Steps over which the learning rate rises from zero.
        gradient_clip: Largest norm of the gradient.
        ema_decay: Decay of the moving average of the weights that is validated and exported (0: none).
        quantisation_aware: Train with weights and hidden maps rounded as 8-bit graphs hold them (plain convolutions
            only).
        precision: Lightning's name of the arithmetic, as in ``32-true`` or ``bf16-mixed``.
        compiled: On a GPU, compile the step (``torch.compile``): a minute at the start, fewer and larger kernels after
            it; a CPU trains as if this were off.
        seed: Seed of weights, data order, crops and degradations.
        validation_profiles: Profiles on which SSIM is tracked.
        validation_epochs: Epochs between two validations.
    """

    epochs: int = Field(default=100, ge=1)
    checkpoint_steps: int = Field(default=100, ge=1)
    batch_windows: int = Field(default=4, ge=1)
    learning_rate: PositiveFloat = 1e-3
    final_learning_rate: PositiveFloat = 1e-5
    warmup_steps: int = Field(default=500, ge=0)
    gradient_clip: PositiveFloat = 1.0
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    quantisation_aware: bool = False
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    compiled: bool = False
    seed: int = 0
    validation_profiles: tuple[str, ...] = ("bicubic-x2", "h264-half-crf28", "clean")
    validation_epochs: int = Field(default=1, ge=1)


class Recipe(_Section):
    """Everything needed to train one model again.

    Attributes:
        name: The model's name, and the recipe file's.
        description: One sentence for the bundle's card.
        trains: ``student``, or ``teacher``: then ``teacher`` is what is trained.
        student: What the student looks like.
        teacher: Who teaches; None: the student learns from the truth alone.
        data: Where pairs come from.
        losses: The weight of each loss.
        perceptual: What the perceptual loss looks at.
        distillation: How the teacher teaches.
        hints: From whom a student starts; None: from chance. Left out where a training starts from other weights.
        training: How long, how fast.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    trains: Literal["student", "teacher"] = "student"
    student: StudentConfig = StudentConfig()
    teacher: TeacherConfig | None = None
    data: DataConfig = DataConfig()
    losses: LossWeights = LossWeights()
    perceptual: PerceptualConfig = PerceptualConfig()
    distillation: DistillationConfig = DistillationConfig()
    hints: HintsConfig | None = None
    training: TrainingConfig = TrainingConfig()


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with clearcall, by name.

    Example:
        >>> "small" in shipped_recipes()
        True
    """
    package = Path(str(resources.files("clearcall")))
    folders = (package / "recipes", package.parents[1] / "recipes")  # in a wheel; in a clone
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def read_recipe(name: str | Path) -> Recipe:
    """Read and check a recipe.

    A recipe with ``like = "OTHER"`` (a name, or a file beside it) takes over what the other says; of each section it
    gives only the keys that differ. A table within a section, such as ``data.mix``, is replaced whole.

    Args:
        name: A TOML file, or the name of a recipe that ships with clearcall.

    Raises:
        RecipeError: No such recipe (the nearest shipped one is named), not TOML, an unknown key (the nearest known one
            is named), an impossible value, or recipes that are like each other in a circle.

    Example:
        >>> read_recipe("small").student.width
        16
        >>> read_recipe("nano-far").data.mix == read_recipe("small-far").data.mix
        True
    """
    path = _found(name)
    return parse_recipe(_values(path, ()), str(path))


def _found(name: str | Path, folder: Path = Path()) -> Path:
    shipped = shipped_recipes()
    path = shipped.get(str(name), folder / name)
    if not path.exists() and path.suffix != ".toml":
        nearest = get_close_matches(str(name), shipped, n=1, cutoff=0.0)
        hint = f"the nearest is {nearest[0]}" if nearest else "none came with this installation, so give a TOML file"
        raise RecipeError(f"There is no recipe {name}: neither a TOML file nor a shipped one; {hint}.")
    return path


def _values(path: Path, before: tuple[Path, ...]) -> dict[str, Any]:
    """What a recipe says, with what it takes over from others."""
    values = _table(path)
    other = values.pop("like", None)
    if other is None:
        return values
    if not isinstance(other, str):
        raise RecipeError(f"{path}: like is {other!r}; give the name of one recipe.")
    if path.resolve() in before:
        raise RecipeError(f"{path}: it is like itself by way of others; let one of them stand for itself.")
    try:
        taken = _values(_found(other, path.parent), (*before, path.resolve()))
    except RecipeError as error:
        raise RecipeError(f"{path} (like {other}): {error}") from error
    sections = {key: taken[key] | value for key, value in values.items() if _both_tables(taken.get(key), value)}
    return taken | values | sections


def _both_tables(first: object, second: object) -> bool:
    return isinstance(first, dict) and isinstance(second, dict)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"The recipe {path} can't be read: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} is not valid TOML: {error}.") from error


def parse_recipe(values: dict[str, Any], origin: str) -> Recipe:
    """Check a recipe's values.

    Example:
        >>> parse_recipe({"name": "tiny", "student": {"width": 8}}, "here").student.width
        8
        >>> parse_recipe({"name": "tiny", "student": {"witdh": 8}}, "here")
        Traceback (most recent call last):
        ...
        clearcall.errors.RecipeError: here: student.witdh is not a known key; the nearest is student.width.
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {'; '.join(_explain(detail) for detail in error.errors())}.") from error
    _check_losses(recipe, origin)
    if recipe.trains == "teacher" and recipe.teacher is None:
        raise RecipeError(f"{origin}: trains is teacher, so a section [teacher] must say which.")
    if recipe.hints is not None and recipe.trains == "teacher":
        raise RecipeError(f"{origin}: hints are for students; leave [hints] out where a teacher is trained.")
    if recipe.data.source == "degraded" and recipe.data.crop > recipe.data.window:
        raise RecipeError(f"{origin}: data.crop is larger than data.window; make the crop the smaller one.")
    if recipe.data.degradation != "random" and recipe.data.mix != DEFAULT_MIX:
        raise RecipeError(f"{origin}: data.mix is for random links; set data.degradation to random, or leave it out.")
    if recipe.data.resident and recipe.data.fit == "resize":
        raise RecipeError(f"{origin}: data.resident cuts squares and never resizes; set data.fit to crop.")
    if recipe.data.crop % recipe.student.stride:
        raise RecipeError(f"{origin}: data.crop must be a multiple of student.stride.")
    return recipe


def _check_losses(recipe: Recipe, origin: str) -> None:
    if not any(recipe.losses.model_dump().values()):
        raise RecipeError(f"{origin}: every loss has weight 0; give at least one of them a weight.")
    asked = [name for name in FROM_TEACHER if getattr(recipe.losses, name)]
    if asked and (recipe.teacher is None or recipe.trains == "teacher"):
        raise RecipeError(f"{origin}: losses.{asked[0]} needs a teacher that teaches; add [teacher] or set it to 0.")
    if recipe.losses.flicker and (
        recipe.data.source == "paired" or (recipe.losses.output and recipe.distillation.cache)
    ):
        raise RecipeError(
            f"{origin}: losses.flicker needs frames degraded with the one before, without kept outputs of a teacher; "
            "set data.source to degraded and leave out distillation.cache, or set losses.flicker to 0."
        )


def with_changes(
    recipe: Recipe,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    teacher: Path | None = None,
    vgg: Path | None = None,
) -> Recipe:
    """A recipe with some values replaced; None keeps what it says.

    Example:
        >>> with_changes(Recipe(name="tiny"), seed=7).training.seed
        7
    """
    training = {key: value for key, value in (("epochs", epochs), ("seed", seed)) if value is not None}
    changes: dict[str, Any] = {"training": recipe.training.model_copy(update=training)}
    if teacher is not None:
        changes["teacher"] = (recipe.teacher or TeacherConfig()).model_copy(update={"weights": str(teacher)})
    if vgg is not None:
        changes["perceptual"] = recipe.perceptual.model_copy(update={"weights": str(vgg)})
    return recipe.model_copy(update=changes)


def _explain(detail: Any) -> str:
    """One clause for one of pydantic's complaints."""
    where = [str(part) for part in detail["loc"]]
    name = ".".join(where)
    if detail["type"] == "missing":
        return f"{name} is missing"
    if detail["type"] != "extra_forbidden":
        return f"{name} is {detail['input']!r}: {detail['msg'].removeprefix('Value error, ').lower()}"
    known = [".".join([*where[:-1], key]) for key in _section(where[:-1]).model_fields]
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)
    return f"{name} is not a known key; the nearest is {nearest[0]}"


def _section(path: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = Recipe
    for part in path:
        annotation = section.model_fields[part].annotation
        section = annotation if isinstance(annotation, type) else get_args(annotation)[0]
    return section
