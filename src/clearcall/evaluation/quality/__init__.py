"""The quality benchmark: pictures and clips through a ladder of links, every method measured on the same frames."""
