"""A claim against a provider: the same request, the same search, a fresh and bound claim, a value."""

import re
from dataclasses import dataclass

from trex.types.evm import checksum_address
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.validators.zktls import normalise
from trex.validators.zktls.claim import Claim
from trex.validators.zktls.consistency import CLOCK_SKEW_S
from trex.validators.zktls.parameters import Parameters
from trex.validators.zktls.patterns import placeholders
from trex.validators.zktls.provider import Level, Provider, Template
from trex.validators.zktls.verdict import Extracted, ProviderValue, Steps

BINDING_PREFIX = "trex-zktls-1:"
"""How a binding message of ours begins."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties a claim to one passport and one asking (ZKT-041)."""

    message: str
    """What `contextMessage` must be, to the last character."""
    issued_at_s: int | None = None
    """When the message was handed out, Unix seconds: the claim cannot be older. None if not known."""


def binding_message(
    chain_id: int, passport: Address, passport_id: Hash32, provider_id: str, nonce: Hash32
) -> str:
    """Make the message that a person's client puts into `contextMessage`.

    It is a hash, so that the attestor does not learn whose claim it is; the nonce is random, used once and
    remembered by who handed it out.

    Args:
        chain_id: of the chain on which the passport lives.
        passport: address of the passport contract.
        passport_id: whose claim it will be.
        provider_id: what it will be judged by.
        nonce: 32 random bytes.
    """
    text = "\n".join(
        (str(chain_id), checksum_address(passport), f"0x{passport_id.hex()}", provider_id, f"0x{nonce.hex()}")
    )
    return f"{BINDING_PREFIX}0x{keccak256(text.encode()).hex()}"


def judge_template(provider: Provider, parameters: Parameters, steps: Steps) -> bool:
    """Judge that the claim asked and looked for what the provider says (ZKT-031 to ZKT-034)."""
    faults = [_differs(template, parameters) for template in provider.templates]
    if not faults:
        steps.unknown(
            "ZKT-030", "no_template", f"{provider.id} has no template: no claim can be judged by it"
        )
        return False
    if "" in faults:
        steps.held(
            "ZKT-031",
            "template",
            f"template {faults.index('') + 1} of {provider.id} version {provider.version}",
        )
        return True
    closest = max(faults, key=_depth)
    steps.broken("ZKT-031", "other_template", f"not a claim of {provider.id}: {closest}")
    return False


_FIELDS = ("method", "url", "body", "responseMatches", "responseRedactions", "paramValues")


def _depth(fault: str) -> int:
    return _FIELDS.index(re.split("[ .]", fault, maxsplit=1)[0])


def _differs(template: Template, parameters: Parameters) -> str:
    """The first field in which a claim differs from a template, with its name first; empty if none."""
    if parameters.method != template.method:
        return f"method is {parameters.method}, expected {template.method}"
    if not _same_text(template.url, parameters.url, template):
        return f"url is {parameters.url[:160]}, expected {template.url}"
    if not _same_text(template.body, parameters.body, template):
        return "body is not the expected one"
    if parameters.matches != template.matches:
        expected = [match.value for match in template.matches]
        return f"responseMatches are {_shown(parameters)}, expected {expected}"
    if parameters.redactions != template.redactions:
        return "responseRedactions are not the expected ones"
    return _values_differ(template, parameters)


def _shown(parameters: Parameters) -> str:
    shown = str([match.value for match in parameters.matches])
    return shown if len(shown) <= 240 else f"{shown[:237]}..."


def _same_text(expected: str, found: str, template: Template) -> bool:
    """Equal, or the same with values of the described form in place of the names (ZKT-032)."""
    if found == expected:
        return True
    pattern, at = "", 0
    for name in re.finditer(r"\{\{([^{}]+)\}\}", expected):
        described = template.placeholders.get(name[1])
        if described is None:
            return False
        pattern += re.escape(expected[at : name.start()]) + f"(?:{described.pattern})"
        at = name.end()
    return bool(at) and re.fullmatch(pattern + re.escape(expected[at:]), found) is not None


def _values_differ(template: Template, parameters: Parameters) -> str:
    """Values beside the template: each named, each of the described form, none hidden that must be shown."""
    if extra := sorted(parameters.values.keys() - template.placeholders.keys() - template.hidden):
        return f"paramValues has {', '.join(extra)[:120]}, which the template does not name"
    for name, value in parameters.values.items():
        described = template.placeholders.get(name)
        if described is not None and described.fullmatch(value) is None:
            return f"paramValues.{name} is {value[:64]!r}, not of the described form"
    if hidden := sorted(set(parameters.hidden_placeholders()) - template.hidden):
        return f"paramValues hides {', '.join(hidden)[:120]} from the attestor"
    named = {name for match in parameters.matches for name in placeholders(match.value)}
    if missing := sorted(named - parameters.values.keys()):
        return f"paramValues lacks {', '.join(missing)[:120]}"
    return ""


def judge_freshness(
    provider: Provider, claim: Claim, now_s: int, binding: Binding | None, steps: Steps
) -> None:
    """Judge the claim's age (ZKT-040). Its timestamp alone proves none: the binding does."""
    age = now_s - claim.timestamp_s
    if age > provider.freshness_s:
        steps.broken("ZKT-040", "stale", f"{age} s old, {provider.id} takes at most {provider.freshness_s} s")
        return
    issued = binding.issued_at_s if binding else None
    if issued is not None and claim.timestamp_s < issued - CLOCK_SKEW_S:
        steps.broken("ZKT-040", "backdated", "dated before its binding message was handed out")
        return
    if issued is not None and now_s - issued > provider.freshness_s:
        steps.broken("ZKT-040", "stale_binding", f"its binding message was handed out {now_s - issued} s ago")
        return
    steps.held("ZKT-040", "fresh", f"{age} s old by its own date, at most {provider.freshness_s} s")


def judge_binding(claim_message: str, binding: Binding | None, steps: Steps) -> None:
    """Judge that the claim was made for this passport and this asking (ZKT-041)."""
    if binding is None:
        steps.unknown(
            "ZKT-041",
            "binding_not_given",
            "no binding message to compare with: the claim may be someone else's",
        )
    elif not binding.message or claim_message != binding.message:
        steps.broken(
            "ZKT-041", "other_binding", f"contextMessage is {claim_message[:96]!r}, not the one handed out"
        )
    else:
        steps.held("ZKT-041", "binding", "contextMessage is the one handed out for this passport")


def judge_value(
    provider: Provider, extracted: tuple[Extracted, ...], account: str | None, steps: Steps
) -> ProviderValue | None:
    """Read the value and find its level; compare the account where one must be linked (ZKT-042, ZKT-050)."""
    values = {value.name: value.value for value in extracted}
    whose = _account(provider, values, account, steps)
    text = provider.value.constant or values.get(provider.value.parameter)
    if text is None:
        steps.unknown("ZKT-050", "no_value", f"the claim has no value {provider.value.parameter!r}")
        return None
    try:
        value, level = _level(provider, text)
    except normalise.NotNormalError as error:
        steps.unknown("ZKT-050", "not_normal", str(error))
        return None
    name = level.name if level else ""
    steps.held("ZKT-050", "value", f"level {level.level if level else 0}{f' ({name})' if name else ''}")
    return ProviderValue(value, provider.value.unit, level.level if level else 0, name, whose)


def _account(provider: Provider, values: dict[str, str], account: str | None, steps: Steps) -> str:
    rule = provider.account
    found = rule.pattern.match(values.get(rule.parameter, "")) if rule.parameter else None
    whose = found[1] if found else ""
    if not rule.linked and (whose or not provider.names_account):
        return whose
    if not whose:
        steps.broken("ZKT-042", "no_account", "the claim does not say whose account it is about")
    elif account is None:
        steps.unknown(
            "ZKT-042",
            "account_not_given",
            f"anyone can ask for this page: no linked account to compare {whose!r} with",
        )
    elif account.casefold() != whose.casefold():
        steps.broken("ZKT-042", "other_account", f"about {whose!r}, the passport has linked {account[:64]!r}")
    else:
        steps.held("ZKT-042", "account", "about the account that the passport has linked")
    return whose


def _level(provider: Provider, text: str) -> tuple[str, Level | None]:
    rule = provider.value
    if rule.normaliser in ("count", "amount"):
        number = (
            normalise.count(text) if rule.normaliser == "count" else normalise.amount(text, rule.unit).value
        )
        reached = [
            level for level in provider.levels if level.at_least is not None and number >= level.at_least
        ]
        return f"{number}", reached[-1] if reached else None
    if rule.normaliser == "plan":
        word = normalise.plan(text, dict(rule.plans))
    else:
        word = "yes" if normalise.flag(text) else "no"
    return word, next((level for level in reversed(provider.levels) if word in level.one_of), None)
