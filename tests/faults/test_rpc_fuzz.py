"""Ask every method of the OpenRPC document for sense and nonsense: the node answers, and goes on."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.faults.child import ROOT, Client, Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.chain.dev.methods import MINE_MAX

DOCUMENT: dict[str, Any] = json.loads((ROOT / "specs" / "openrpc.json").read_text())
METHODS: list[dict[str, Any]] = DOCUMENT["methods"]
ANSWER_S = 60.0
MEMORY_BYTES = 1536 << 20
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
INTERNAL_ERROR = -32603
FEW_BLOCKS = 100

Strategy = st.SearchStrategy[Any]


class Text(str):
    """JSON that stands in the body as it is."""

    __slots__ = ()


def quantity(bits: int) -> Strategy:
    return st.integers(0, (1 << bits) - 1).map(hex)


KNOWN: dict[str, Strategy] = {
    # Values that mean something to the chain reach further than those that only have the right form.
    "Quantity": st.one_of(quantity(4), quantity(20), quantity(64), quantity(256)),
    "Number": st.one_of(st.integers(0, 20), quantity(6), quantity(64), st.integers(0, 1 << 70)),
    "Address": st.one_of(
        st.sampled_from([account.address for account in ACCOUNTS]),
        st.just(MULTICALL3),
        st.integers(0, 0x101).map(lambda number: f"0x{number:040x}"),
        st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    ),
    "Hash": st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
    "Data": st.binary(max_size=200).map(lambda raw: "0x" + raw.hex()),
}


def from_schema(schema: dict[str, Any], depth: int = 0) -> Strategy:
    """Return values that a schema of the document allows."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        found = KNOWN.get(name)
        return found if found is not None else from_schema(DOCUMENT["components"]["schemas"][name], depth)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            return st.one_of(*(from_schema(part, depth) for part in schema[key]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of(*(from_schema({**schema, "type": one}, depth) for one in kind))
    if kind == "string":
        return (
            st.from_regex(schema["pattern"], fullmatch=True) if "pattern" in schema else st.text(max_size=40)
        )
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 1 << 64))
    if kind == "number":
        return st.floats(0, 100, allow_nan=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    if kind == "array":
        items = from_schema(schema.get("items", {}), depth + 1)
        return st.lists(items, max_size=4 if depth < 3 else 1)
    if kind == "object":
        return from_object(schema, depth)
    return SCALARS


def from_object(schema: dict[str, Any], depth: int) -> Strategy:
    parts = {name: from_schema(part, depth + 1) for name, part in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    fixed = st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )
    more = schema.get("additionalProperties")
    if not isinstance(more, dict):
        return fixed
    names = st.one_of(KNOWN["Address"], KNOWN["Hash"])
    return st.builds(
        lambda a, b: {**b, **a}, fixed, st.dictionaries(names, from_schema(more, depth + 1), max_size=3)
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 300),
    st.floats(),
    st.text(max_size=30),
    st.just([]),
    st.just({}),
)
HOSTILE = st.one_of(
    SCALARS,
    st.sampled_from(
        [
            -1,
            1 << 63,
            (1 << 64) - 1,
            1 << 64,
            1 << 256,
            "0x",
            "0x0g",
            "0x00",
            "-0x1",
            "0x-1",
            hex((1 << 64) - 1),
            "0x1" + "0" * 64,
            "0x" + "f" * 63,
            "latest ",
            "\x00",
            "\ud800",
            "\uff10x\uff11",
            "\U0001d7d9" * 50,
            "🦖" * 1000,
            "a" * 1_000_000,
            "0x" + "5b" * 1_000_000,
            ["0x0"] * 20_000,
            {str(number): number for number in range(5_000)},
            {"": {"__proto__": None}},
            Text("[" * 100 + "]" * 100),
            Text("[" * 100_000 + "]" * 100_000),
            Text('{"a":' * 50_000 + "1" + "}" * 50_000),
            Text("1e400"),
            Text("-0"),
            Text("1" * 10_000),
            Text("NaN"),
        ]
    ),
)


def params_of(method: dict[str, Any]) -> Strategy:
    """Return params as the document has them, optional ones there or not."""
    parts = [from_schema(param["schema"]) for param in method["params"]]
    needed = sum(1 for param in method["params"] if param.get("required"))
    lengths = [st.tuples(*parts[:length]).map(list) for length in range(needed, len(parts) + 1)]
    return st.one_of(*lengths)


@st.composite
def hostile_params(draw: st.DrawFn, method: dict[str, Any]) -> Any:
    """Return params that are wrong somewhere."""
    params = draw(params_of(method))
    how = draw(st.sampled_from(["replace", "replace", "inside", "missing", "extra", "whole"]))
    if how == "whole":
        return draw(HOSTILE)
    if how == "missing":
        return params[: draw(st.integers(0, len(params)))]
    objects = [part for part in params if isinstance(part, dict) and part]
    if how == "inside" and objects:
        part = draw(st.sampled_from(objects))
        part[draw(st.sampled_from(sorted(part)))] = draw(HOSTILE)
    elif how == "extra" or not params:
        params = params + draw(st.lists(HOSTILE, min_size=1, max_size=3))
    else:
        params[draw(st.integers(0, len(params) - 1))] = draw(HOSTILE)
    return params


def body_of(method: str, params: Any) -> bytes:
    """Return a request's body; `Text` goes in as it is, and nothing else is made valid either."""
    texts: list[str] = []

    def mark(value: Any) -> Any:
        if isinstance(value, Text):
            texts.append(value)
            return f"@@{len(texts) - 1}@@"
        if isinstance(value, dict):
            return {key: mark(part) for key, part in value.items()}
        return [mark(part) for part in value] if isinstance(value, list) else value

    marked = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": mark(params)})
    return re.sub(r'"@@(\d+)@@"', lambda found: texts[int(found[1])], marked).encode()


def check_answer(status: int, body: bytes) -> None:
    """Check that an answer is one of JSON-RPC, and no confession of a fault."""
    assert status == 200, (status, body[:300])
    answer = json.loads(body)
    assert isinstance(answer, dict), answer
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer), answer
    if "error" in answer:
        assert type(answer["error"]["code"]) is int
        assert type(answer["error"]["message"]) is str
        assert answer["error"]["code"] != INTERNAL_ERROR, answer
        assert len(body) < 1 << 20, "an error repeats a megabyte of the request"
    else:
        assert answer["id"] == 7


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    path = tmp_path_factory.mktemp("fuzz")
    with Devnet(path / "chain", path / "log", "--cache-mb", "64") as made:
        yield made


def is_long_work(method: str, params: Any) -> bool:
    """Tell whether so many blocks are asked for that making them takes longer than an answer may."""
    if method not in ("anvil_mine", "hardhat_mine", "evm_mine") or not isinstance(params, list) or not params:
        return False
    count: Any = params[0].get("blocks") if isinstance(params[0], dict) else params[0]
    with suppress(ValueError, TypeError, OverflowError):
        number = int(count, 0) if isinstance(count, str) else int(count)
        return FEW_BLOCKS < number <= MINE_MAX
    return False


def ask(node: Devnet, client: Client, method: str, params: Any) -> None:
    """Send one request and check its answer."""
    if is_long_work(method, params):
        return
    body = body_of(method, params)
    try:
        status, answer = client.post(body)
    except OSError as error:
        client.close()
        raise AssertionError(f"no answer in {ANSWER_S} s to {body[:500]!r}: {error!r}") from error
    check_answer(status, answer)
    assert node.alive(), node.logged()


def fuzz_method(node: Devnet, client: Client, method: dict[str, Any], examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 10,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(sensible=params_of(method), hostile=hostile_params(method))
    def both(sensible: Any, hostile: Any) -> None:
        ask(node, client, method["name"], sensible)
        ask(node, client, method["name"], hostile)

    both()


def fuzz(node: Devnet, examples: int) -> None:
    """Ask each method for so many sensible and as many hostile things."""
    for method in METHODS:
        client = node.connect(ANSWER_S)
        fuzz_method(node, client, method, examples)
        client.close()
        assert node.memory_bytes() < MEMORY_BYTES, method["name"]
    check_honest(node)


def check_honest(node: Devnet) -> None:
    """Check that the node serves, and that nothing in it went wrong unseen."""
    assert int(node.call("eth_blockNumber", []), 16) >= 0
    assert node.call("eth_chainId", []) == "0x7aa"
    node.call("evm_mine", [])
    logged = node.logged()
    assert "Traceback" not in logged, logged[-3000:]
    assert "panicked" not in logged, logged[-3000:]


def test_every_method_answers_anything(node: Devnet) -> None:
    fuzz(node, 4)


@pytest.mark.long
def test_every_method_answers_anything_at_length(tmp_path: Path) -> None:
    with Devnet(tmp_path / "chain", tmp_path / "log", "--cache-mb", "64") as node:
        fuzz(node, 200)
