"""How long frames take on this computer, beside FFmpeg's filters and what the hardware could do at best."""
