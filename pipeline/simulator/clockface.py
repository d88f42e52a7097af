"""Hours as the small Apple writes them: App Store Connect in Pacific time, the developer portal in UTC."""

from __future__ import annotations

import time

PACIFIC = -7 * 3600
DAY = 86400.0


def pacific(seconds: float) -> str:
    """RFC 3339 with the offset -07:00, as App Store Connect answers (observed in altool's traces; never Z)."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds + PACIFIC)) + "-07:00"


def universal(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as the routes of the developer portal answer."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".000+00:00"
