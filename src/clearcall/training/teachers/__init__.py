"""Teachers: large restoration networks, built or loaded, that give their output and named feature maps."""
