"""What a thin link does to a frame: resize, real codecs, named call profiles."""
