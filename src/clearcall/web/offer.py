"""What must hold of an offer before a session is made for it."""

from __future__ import annotations

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription

from clearcall.web.limits import Limits, Refusal

_MOST = {"video": 1, "audio": 1, "application": 1}


def check_offer(sdp: str, limits: Limits) -> None:
    """Refuse an offer that no session can come of.

    Args:
        sdp: The offer.
        limits: What the server allows.

    Raises:
        Refusal: 400 for what is not SDP, 422 for SDP that this server can't answer.

    Example:
        >>> check_offer("hello", Limits())
        Traceback (most recent call last):
        ...
        clearcall.web.limits.Refusal: The body is not an SDP offer; send the text of the browser's local description.
    """
    lines = sdp.splitlines()
    if not lines or lines[0].strip() != "v=0" or not any(line.startswith("m=") for line in lines):
        raise Refusal(400, "The body is not an SDP offer; send the text of the browser's local description.")
    if sum(line.startswith("m=") for line in lines) > sum(_MOST.values()):
        raise Refusal(422, "The offer has too many media; send one video, at most one audio, and one data channel.")
    if sum(line.startswith("a=candidate") for line in lines) > limits.candidates:
        raise Refusal(422, f"The offer has more than {limits.candidates} candidates; send fewer.")
    try:
        _check_media(SessionDescription.parse(sdp).media)
    except Refusal:
        raise
    except Exception as error:  # aiortc raises whatever the damage leads to
        raise Refusal(400, "The offer's SDP is damaged and can't be read; send it unchanged.") from error


def _check_media(media: list[MediaDescription]) -> None:
    kinds = [one.kind for one in media]
    for kind in kinds:
        if kind not in _MOST or kinds.count(kind) > _MOST[kind]:
            raise Refusal(422, "Only one video, one audio and one data channel are understood; send no other media.")
    if "video" not in kinds:
        raise Refusal(422, "The offer has no video; add the camera's track before making the offer.")
    for one in media:
        _check_one(one)


def _check_one(media: MediaDescription) -> None:
    if media.kind != "application":
        if media.direction != "sendrecv":
            raise Refusal(422, f"The offer's {media.kind} is {media.direction}; it comes back here: offer sendrecv.")
        if not find_common_codecs(CODECS[media.kind], media.rtp.codecs):
            known = "VP8 and H.264" if media.kind == "video" else "Opus and G.711"
            raise Refusal(422, f"The offer's {media.kind} has no codec that is known here; offer {known}.")
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise Refusal(422, "The offer lacks ICE credentials (ice-ufrag, ice-pwd); send it unchanged.")
    if media.dtls is None or not media.dtls.fingerprints:
        raise Refusal(422, "The offer lacks a DTLS fingerprint; only encrypted media is accepted.")
