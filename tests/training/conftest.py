import numpy as np
import pytest
from PIL import Image
from skimage import data

from clearcall.training.fit import RunOptions, train
from clearcall.training.recipe import parse_recipe


def photograph(name: str, size: int) -> np.ndarray:
    return np.ascontiguousarray(getattr(data, name)()[:size, :size, :3])


@pytest.fixture(scope="session")
def sharp_folder(tmp_path_factory):
    """Six small sharp pictures of scikit-image."""
    folder = tmp_path_factory.mktemp("sharp")
    for name in ("astronaut", "coffee", "chelsea"):
        whole = photograph(name, 256)
        for index, part in enumerate((whole[:128], whole[128:])):
            Image.fromarray(part).save(folder / f"{name}_{index}.png")
    return folder


@pytest.fixture(scope="session")
def gopro_folder(tmp_path_factory):
    """Pairs in GoPro's flat layout: train (4) and val (2)."""
    root = tmp_path_factory.mktemp("gopro")
    for split, names in (("train", ("astronaut", "coffee")), ("val", ("chelsea",))):
        for side in ("blur", "sharp"):
            (root / split / side).mkdir(parents=True)
        for name in names:
            whole = photograph(name, 192)
            for index, part in enumerate((whole[:96], whole[96:])):
                picture = Image.fromarray(part)
                picture.save(root / split / "sharp" / f"{name}_{index}.png")
                width, height = picture.size
                small = picture.resize((width // 2, height // 2), Image.Resampling.BICUBIC)
                small.resize((width, height), Image.Resampling.BILINEAR).save(
                    root / split / "blur" / f"{name}_{index}.png"
                )
    return root


@pytest.fixture(scope="session")
def checkpoints(sharp_folder, tmp_path_factory):
    """Of tiny students: one for all links, an expert, and one of another shape."""
    found = {}
    for name, link, width in (("general", "random", 8), ("resized", "bicubic-x2", 8), ("wide", "bicubic-x2", 12)):
        values = {
            "name": name,
            "student": {"width": width, "depth": 3},
            "data": {"window": 64, "crop": 32, "variants": 2, "held_out": 2, "workers": 0, "degradation": link},
            "training": {"epochs": 1, "warmup_steps": 2, "ema_decay": 0, "validation_profiles": ["bicubic-x2"]},
        }
        run = tmp_path_factory.mktemp("runs") / name
        found[name] = train(parse_recipe(values, name), sharp_folder, run, options=RunOptions(bar=False)).checkpoint
    return found
