"""The runtime: bundles become a Sharpener; files and folders go through it. PyTorch is imported only by its engine."""
