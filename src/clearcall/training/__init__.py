"""Training: recipes, pairs, the student, teachers, losses and the way to a bundle (needs the train extra)."""

from clearcall.training.vision import load_torchvision

# Lightning imports torchvision where it is installed, and must find it mended.
load_torchvision()
