"""Folders of pairs and of sharp pictures: how they are laid out, and what is wrong with them."""

from typing import Literal

Blur = Literal["blur", "blur_gamma"]
"""GoPro's two blurred pictures of a frame: ``blur``, the average of the frames' 8-bit values (a camera with a linear
response), which papers use; ``blur_gamma``, the average in linear light (a camera response of gamma 2.2)."""
