"""Who asks: bearer tokens as App Store Connect demands them, and the budget of requests of each key."""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from pipeline.simulator.contract import Objection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.simulator.faults import RateLimit

REHEARSAL_TOKEN = "rehearsal"  # noqa: S105
LIFETIME = 1200
HOUR = 3600.0
MINUTE = 60.0

NOT_AUTHORIZED = Objection(
    401,
    "NOT_AUTHORIZED",
    "Authentication credentials are missing or invalid.",
    "Provide a properly configured and signed bearer token, and make sure that it has not expired. "
    "Learn more about Generating Tokens for API Requests https://developer.apple.com/go/?id=api-generating-tokens",
)
"""The whole of Apple's answer; it does not say what is wrong with the token, and has no id."""

RATE_LIMIT_EXCEEDED = Objection(
    429,
    "RATE_LIMIT_EXCEEDED",
    "The request rate limit has been reached.",
    "We've received too many requests for this API. Please wait and try again or slow down your request rate.",
)


def key_of(authorization: str, now: float, *, remote: bool, keys: Mapping[str, str] | None) -> str | None:
    """The key id of a valid bearer token, or None.

    Apple, "Generating Tokens for API Requests": alg ES256, kid, aud appstoreconnect-v1, a life of at most 1200 s, and
    iss (team key) or sub "user" (individual key). An iat in the future is refused.

    Args:
        authorization: the header's value.
        now: the hour in seconds since 1970.
        remote: whether the request came over a socket; the fixed token of rehearsals is good in the process only.
        keys: PEM public key by kid; with it signatures are verified, without it they are not looked at.

    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    if token == REHEARSAL_TOKEN:
        return None if remote else token
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 8192:
        return None
    header, claims = _object(parts[0]), _object(parts[1])
    if header is None or claims is None or not _claims_hold(claims, now):
        return None
    kid = header.get("kid")
    if header.get("alg") != "ES256" or not isinstance(kid, str) or not kid:
        return None
    if keys is not None and not (kid in keys and _signed(f"{parts[0]}.{parts[1]}".encode(), parts[2], keys[kid])):
        return None
    return kid


def _claims_hold(claims: Mapping[str, Any], now: float) -> bool:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
        return False
    identity = bool(claims.get("iss")) or claims.get("sub") == "user"
    in_time = issued <= now < expires and expires - issued <= LIFETIME
    return claims.get("aud") == "appstoreconnect-v1" and identity and in_time


def _object(part: str) -> dict[str, Any] | None:
    try:
        value = json.loads(_decoded(part))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed(message: bytes, signature: str, pem: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        raw = _decoded(signature)
        key = load_pem_public_key(pem.encode())
    except (ValueError, binascii.Error):
        return False
    if len(raw) != 64 or not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        key.verify(der, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


class Budgets:
    """Requests left to each key in the rolling hour and minute. They are not durable: they only look back an hour."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._hours: dict[str, deque[float]] = {}
        self._minutes: dict[str, deque[float]] = {}

    def spend(self, key: str, now: float) -> tuple[bool, str]:
        """Whether the request is within budget, and the value of X-Rate-Limit (as seen in altool's traces)."""
        hour = self._left(self._hours, key, now, HOUR, self._limit.hour)
        minute = self._left(self._minutes, key, now, MINUTE, self._limit.minute) if self._limit.minute else None
        good = hour >= 0 and (minute is None or minute >= 0)
        text = f"user-hour-lim:{self._limit.hour};user-hour-rem:{max(0, hour)};"
        if minute is not None:
            text += f"user-minute-lim:{self._limit.minute};user-minute-rem:{max(0, minute)};"
        return good, text

    def _left(self, held: dict[str, deque[float]], key: str, now: float, window: float, limit: int) -> int:
        stamps = held.setdefault(key, deque())
        while stamps and stamps[0] <= now - window:
            stamps.popleft()
        if len(stamps) >= limit:
            return -1
        stamps.append(now)
        return limit - len(stamps)
