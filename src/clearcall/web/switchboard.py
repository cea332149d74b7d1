"""The sessions of a server: opened by an offer, found by their name, closed, and counted."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from dataclasses import replace
from typing import Final

from clearcall.runtime.stream import STAGES, LiveStats
from clearcall.web.control import Settings
from clearcall.web.limits import Refusal
from clearcall.web.offer import check_offer
from clearcall.web.session import Session, SessionSettings

_log: Final = logging.getLogger("clearcall.web")


class Switchboard:
    """Opens and closes sessions; used in one event loop.

    Args:
        settings: What sessions start with.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self._sessions: dict[str, Session] = {}
        self._opening = 0
        self._opened = 0
        self._ended_frames: Counter[str] = Counter()
        self._ended_seconds: Counter[str] = Counter()

    async def open(self, offer: str, wanted: Settings) -> tuple[str, str]:
        """Make a session for an offer.

        Args:
            offer: SDP.
            wanted: Model and strength to start with, where given.

        Returns:
            The session's name, which can't be guessed, and the answer's SDP.

        Raises:
            Refusal: The offer can't be used (400, 422), or there are too many sessions (503).
        """
        limits = self.settings.limits
        if len(self._sessions) + self._opening >= limits.sessions:
            raise Refusal(503, f"All {limits.sessions} sessions of this server are taken; try again in a while.")
        self._opening += 1
        try:
            check_offer(offer, limits)
            return await self._open(offer, wanted)
        finally:
            self._opening -= 1

    async def _open(self, offer: str, wanted: Settings) -> tuple[str, str]:
        chosen = replace(
            self.settings,
            model=self.settings.model if wanted.model is None else wanted.model,
            strength=self.settings.strength if wanted.strength is None else wanted.strength,
        )
        name = secrets.token_urlsafe(18)
        session = Session(chosen, on_close=lambda ended: self._ended(name, ended))
        try:
            answer = await asyncio.wait_for(session.answer(offer), self.settings.limits.offer_seconds)
        except Exception as error:  # aiortc raises whatever the offer leads to
            await session.close()
            _log.info("an offer was refused: %s: %s", type(error).__name__, error)
            raise Refusal(422, "The offer can't be answered; make a new one and send it unchanged.") from error
        self._sessions[name] = session
        self._opened += 1
        return name, answer

    async def close(self, name: str) -> None:
        """End a session.

        Raises:
            Refusal: 404: there is none of this name (any more).
        """
        if name not in self._sessions:
            raise Refusal(404, "There is no such session; it may have ended already.")
        await self._sessions[name].close()

    async def close_all(self) -> None:
        """End every session."""
        await asyncio.gather(*(session.close("The server is going down.") for session in [*self._sessions.values()]))

    def stats(self) -> list[LiveStats]:
        """State of each session that is open."""
        return [session.stats() for session in self._sessions.values()]

    @property
    def opened(self) -> int:
        """Sessions opened since the start."""
        return self._opened

    def totals(self) -> tuple[dict[str, int], dict[str, float]]:
        """Frames by what became of them, and seconds by stage, of all sessions since the start."""
        frames, seconds = Counter(self._ended_frames), Counter(self._ended_seconds)
        for stats in self.stats():
            frames.update(_frames(stats))
            seconds.update(stats.stage_seconds)
        return (
            {kind: frames[kind] for kind in ("in", "out", "dropped", "sharpened")},
            {stage: float(seconds[stage]) for stage in STAGES},
        )

    def _ended(self, name: str, session: Session) -> None:
        if self._sessions.pop(name, None) is not None:
            stats = session.stats()
            self._ended_frames.update(_frames(stats))
            self._ended_seconds.update(stats.stage_seconds)


def _frames(stats: LiveStats) -> dict[str, int]:
    return {
        "in": stats.frames_in,
        "out": stats.frames_out,
        "dropped": stats.frames_dropped,
        "sharpened": stats.frames_sharpened,
    }
