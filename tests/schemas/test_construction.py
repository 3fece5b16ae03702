"""Quick construction: what comes out is what the dataclass itself would have made."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from schemas import codec, events
from schemas.construction import made_quickly
from tests.schemas.wire_samples import SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    first: str
    second: int = 2
    third: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Placed:
    first: str
    second: int = 2


made_quickly(Named, Placed)


def test_defaults_and_what_is_given_are_as_declared() -> None:
    made = Named(first="a")
    assert (made.first, made.second, made.third) == ("a", 2, [])
    assert made.third is not Named(first="b").third
    assert Named(first="a", second=3, third=[1]) == replace(made, second=3, third=[1])
    assert Placed("a", 3) == Placed(first="a", second=3)


def test_it_is_frozen_and_of_its_class() -> None:
    made = Named(first="a")
    assert type(made) is Named
    with pytest.raises(FrozenInstanceError):
        made.second = 5  # type: ignore[misc]  # that is the point
    with pytest.raises(FrozenInstanceError):
        del made.second


def test_it_copies_pickles_and_shows_itself() -> None:
    made = Named(first="a", third=[1])
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made
    assert repr(made) == "Named(first='a', second=2, third=[1])"
    assert list(inspect.signature(Named).parameters) == ["first", "second", "third"]


def test_a_missing_an_unknown_and_a_misplaced_argument_are_errors() -> None:
    for wrong in (dict[str, str](), {"first": "a", "other": "b"}):
        with pytest.raises(TypeError):
            Named(**wrong)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError):
        Named("a")  # type: ignore[call-arg]


def test_no_event_has_anything_to_do_after_it_was_made() -> None:
    for cls in (*events.WIRE_NAMES, events.Request, events.Response):
        assert not hasattr(cls, "__post_init__")
        assert all(one.init for one in fields(cls))


def test_every_sample_comes_out_whole() -> None:
    for _, sample in SAMPLES:
        for event in codec.decode(sample).events:
            assert replace(event) == event
            assert type(event) in events.WIRE_NAMES
