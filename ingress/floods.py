"""Floods: one line of log per second at most about requests that were turned away."""

import logging

_LOG_EVERY_S = 1.0

_logger = logging.getLogger(__name__)


class Floods:
    """Counts what a flood had turned away; one line of log per second at most."""

    def __init__(self) -> None:
        self._turned_away = 0
        self._logged_s = float("-inf")

    def count(self, endpoint: str, now_s: float) -> None:
        self._turned_away += 1
        if now_s - self._logged_s >= _LOG_EVERY_S:
            _logger.warning("flood: %d requests turned away, %s", self._turned_away, endpoint)
            self._turned_away, self._logged_s = 0, now_s
