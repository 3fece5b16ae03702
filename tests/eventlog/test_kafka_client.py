"""Answers of Kafka that say what went wrong in more than one place."""

from types import SimpleNamespace

import pytest

from eventlog import kafka_client


@pytest.mark.parametrize(
    ("topics", "whole", "error"),
    [
        ([], 16, 16),
        ([("topic", [(0, 5, "", 0)])], 0, 0),
        ([("topic", [(0, -1, "", 3)])], 0, 3),
    ],
)
def test_a_coordinator_that_has_moved_is_understood(
    topics: list[object], whole: int, error: int
) -> None:
    answer = SimpleNamespace(topics=topics, error_code=whole)
    assert kafka_client._committed_error(answer) == error
