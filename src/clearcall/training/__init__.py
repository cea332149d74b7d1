"""Training: recipes, pairs, the student, losses and the way to a bundle (needs the train extra)."""
