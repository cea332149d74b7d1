"""Folders of pairs and of sharp pictures: how they are laid out, and what is wrong with them."""
