import collections
import decimal
import enum
import hashlib
import json
import pathlib
import random
import threading
from typing import Any

import pytest
import rfc8785
from actionpass import ActionPassError, KnownCode, canonicalize, hash
from help import refused


class Text(str):
    pass


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {1}}, "a"),
        ({"a": [0, decimal.Decimal("1")]}, "a[1]"),
        ({"a": (1,)}, "a"),
        ({"a": {1: 2}}, "a"),
        ({"a": {True: 2}}, "a"),
        ({"a b": float("nan")}, '["a b"]'),
        ({"a": float("inf")}, "a"),
        ({"a": "\ud800"}, "a"),
        ({"a": {"\udfff": 1}}, 'a["\\udfff"]'),
        ({"a": b"{}"}, "a"),
        ({"a": Text("x")}, "a"),
        ({"a": Colour.RED}, "a"),
        ({"a": collections.OrderedDict()}, "a"),
        ({"a": object}, "a"),
        ({"a": 10**5000}, "a"),
        (decimal.Decimal("1"), None),
    ],
)
def test_what_is_no_json_value_is_refused_with_its_path(value: Any, path: str | None) -> None:
    error = refused(lambda: hash(value))
    assert (error.code, error.path) == ("value_not_json", path)


def test_values_that_contain_themselves_or_are_deep_are_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert refused(lambda: hash(circle)).code == "value_not_json"


def test_raw_json_shows_what_a_value_has_lost() -> None:
    error = refused(lambda: hash(b'{"amount":10,"amount":9999}'))
    assert (error.code, error.offset) == ("member_duplicate", 13)
    assert refused(lambda: hash(b'{"a":NaN}')).code == "json_syntax"
    assert refused(lambda: hash(b'{"a":"\\ud800"}')).code == "lone_surrogate"
    assert hash(bytearray(b'{"a": 1}')) == hash(memoryview(b'{"a":1}')) == hash({"a": 1.0})
    # A str may be a value or JSON text, so it is neither.
    assert refused(lambda: hash("{}")).code == "argument_invalid"
    assert canonicalize({"b": 1e21, "a": "€\u2028"}) == '{"a":"€\u2028","b":1e+21}'


def test_an_error_can_be_pickled_and_copied() -> None:
    import copy
    import pickle

    error = refused(lambda: hash(b'{"a":1,"a":2}'))
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(other), other.codes, other.offset) == (str(error), error.codes, error.offset)


def test_every_code_is_known_to_type_checkers() -> None:
    from typing import get_args

    assert {"value_not_json", "already_used", "store_forked", "policy_required"} <= set(get_args(KnownCode))


def _text(of: random.Random) -> str:
    ranges = [(0x20, 0x7E), (0, 0x1F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    return "".join(chr(of.randint(*of.choice(ranges))) for _ in range(of.randrange(12)))


def _number(of: random.Random) -> int | float:
    kind = of.randrange(4)
    if kind == 0:
        return of.randint(-(2**53) + 1, 2**53 - 1)
    if kind == 1:
        return of.uniform(-1e3, 1e3)
    if kind == 2:
        number = of.choice([0, 1, -1]) * of.random() * 10.0 ** of.randint(-300, 300)
        # RFC 8785 prints them as integers that not every reader has, which the gate refuses.
        return number if not 2**53 <= abs(number) < 1e21 else number * 1e10
    return float(of.randint(-1000, 1000))


def _value(of: random.Random, depth: int = 0) -> Any:
    kind = of.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return _text(of)
    if kind < 4:
        return _number(of)
    if kind == 4:
        return of.choice([None, True, False])
    if kind == 5:
        return [_value(of, depth + 1) for _ in range(of.randrange(5))]
    return {_text(of): _value(of, depth + 1) for _ in range(of.randrange(6))}


def test_ten_thousand_values_have_the_hash_of_another_implementation() -> None:
    of = random.Random(8785)
    for _ in range(10_000):
        value = {"value": _value(of)}
        expected = rfc8785.dumps(value)
        assert canonicalize(value).encode() == expected
        assert hash(value) == hash(json.dumps(value).encode()) == "sha256:" + hashlib.sha256(expected).hexdigest()


def test_the_bodies_of_real_webhooks_have_the_hash_of_another_implementation() -> None:
    events = json.loads((pathlib.Path(__file__).parent / "webhooks.json").read_text())
    bodies = [body for event in events for body in event["examples"]]
    assert len(bodies) == 329
    for body in bodies:
        expected = rfc8785.dumps(body)
        assert canonicalize(body).encode() == expected
        raw = json.dumps(body, indent=1).encode()
        assert hash(body) == hash(raw) == "sha256:" + hashlib.sha256(expected).hexdigest()


def test_another_thread_cannot_change_what_is_hashed() -> None:
    value: dict[str, Any] = {"list": [1, 2, 3]}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            value["extra"] = value["list"].append(object()) or 1
            value["list"].pop()
            del value["extra"]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(2000):
            try:
                assert hash(value).startswith("sha256:")
            except ActionPassError as error:
                assert error.code == "value_not_json"
    finally:
        stop.set()
        thread.join()
