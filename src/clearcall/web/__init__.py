"""The server behind ``clearcall serve``: the page and its models, and WebRTC sessions that it sharpens."""
