"""The runtime: bundles become a Sharpener; files and folders go through it. Never imports PyTorch unless its device is chosen."""
