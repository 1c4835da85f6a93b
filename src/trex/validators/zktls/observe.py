"""A verdict on a claim as the answer to checks of a policy."""

from collections.abc import Mapping
from decimal import Decimal

from trex.badges.observation import Observation, check_key
from trex.badges.policy import CheckCondition
from trex.types.primitives import Hash32
from trex.validators.zktls.provider import Provider, all_providers
from trex.validators.zktls.verdict import Verdict, VerdictWord


def observations(verdict: Verdict, provider: Provider, now_s: int) -> Mapping[Hash32, Observation]:
    """Answer the checks `zktls.level`, `zktls.number` and `zktls.word` of a provider.

    A refused claim proves nothing, not the opposite: it leaves each of them not known (POL-021).
    """
    names = ["zktls.level"]
    names.append("zktls.number" if provider.value.normaliser in ("count", "amount") else "zktls.word")
    keys = {name: check_key(name, {"provider": provider.id}) for name in names}
    if verdict.word is not VerdictWord.ACCEPTED or verdict.value is None:
        why = next((r.message for r in verdict.reasons if r.outcome != "granted"), "no value")
        unknown = Observation(None, now_s, f"zkTLS {provider.id}", f"claim {verdict.word}: {why}")
        return dict.fromkeys(keys.values(), unknown)
    observed = verdict.timestamp_s or now_s
    value = verdict.value
    found: dict[str, Decimal | str | bool] = {
        "zktls.level": Decimal(value.level),
        "zktls.number": Decimal(value.value) if names[1] == "zktls.number" else Decimal(0),
        "zktls.word": value.value,
    }
    return {
        key: Observation(found[name], observed, f"zkTLS {provider.id}", f"level {value.level}")
        for name, key in keys.items()
    }


def provider_fault(check: CheckCondition) -> str:
    """Say why no claim could answer a check; empty if one could, or if it is no check of ours (POL-022)."""
    if not check.validator.startswith("zktls."):
        return ""
    provider = all_providers().get(check.parameters["provider"])
    if provider is None:
        return f"no provider {check.parameters['provider']!r}; `trex zktls providers` lists them"
    if not provider.verified:
        return f"provider {provider.id} is unverified, so off"
    counts = provider.value.normaliser in ("count", "amount")
    if check.validator == ("zktls.word" if counts else "zktls.number"):
        return f"provider {provider.id} answers {'numbers' if counts else 'words'}"
    known = set(provider.value.plans.values()) or {"yes", "no"}
    if unknown := [word for word in check.bounds.one_of if word not in known]:
        return f"provider {provider.id} never answers {unknown[0]!r}; it answers {', '.join(sorted(known))}"
    return ""
