"""Links accounts by the platforms' own sign-in, and asks platforms what policies ask (GTW-050)."""

import asyncio
import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from weakref import WeakValueDictionary

import aiohttp
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import update

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.gateway import challenges, people, students
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.people import AccountOf, LinkedAccount
from trex.gateway.service import Gateway
from trex.gateway.settings import SocialClient
from trex.gateway.store.schema import accounts
from trex.passport.keys import Key
from trex.types.primitives import Hash32
from trex.validators.social import judge
from trex.validators.social.judge import Answer
from trex.validators.social.platform import Platform, fill, value_at
from trex.validators.social.telegram import TelegramError, read_login

MAX_ANSWER_BYTES = 1_048_576
"""Longest answer of a platform."""
PLATFORM_S = 15.0
"""A platform has that long for an answer."""
MAX_PAGES = 10
"""Most pages of a list of posts that are asked for."""
STALE_S = 86_400
"""A link that was last shown longer ago is shown anew when it is asked for."""
KEPT = ("access_token", "refresh_token", students.SIGNED_IN_S)
"""What is kept of a platform's answer, sealed."""
CLOCK_SKEW_S = 300
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Of ID tokens; never none, never a shared secret."""
_STATE = "oauth"
_REFRESHING: WeakValueDictionary[Hash32, asyncio.Lock] = WeakValueDictionary()
"""A refresh token that is rotated serves once: one at a time renews it."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What linking an account came to."""

    job: int
    """Of the binding."""
    moving: bool
    """Another passport holds it: it comes here after the time that its holder has to object (PAS-043)."""


def client_of(gateway: Gateway, name: str) -> SocialClient:
    """Return how the operator is registered at a platform.

    Raises:
        GatewayError: it is not.
    """
    found = gateway.settings.platforms.get(name)
    if found is None:
        raise GatewayError(Fault.NOT_FOUND, "this gateway links no accounts of that platform")
    return found


def redirect_uri(gateway: Gateway, platform: str) -> str:
    """Where a platform sends people back to: one address for each, registered there."""
    return f"{gateway.settings.public_url}/v1/accounts/{platform}/callback"


async def start(gateway: Gateway, key: Key, passport: int, name: str) -> str:
    """Begin linking: return the platform's address for this person's browser (GTW-050)."""
    client = client_of(gateway, name)
    platform = client.platform
    if platform.protocol == "telegram":
        raise GatewayError(Fault.MALFORMED, "Telegram's login comes by its widget: POST its fields")
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    payload = {
        "platform": name,
        "passport": passport,
        "key": key.id.hex(),
        "verifier": verifier,
        "nonce": nonce,
    }
    async with gateway.database.transaction() as tx:
        state = await challenges.hand_out(tx, _STATE, payload, gateway.now_s, gateway.settings.challenge_s)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        **platform.authorize_parameters,
        platform.client_parameter: client.client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri(gateway, name),
        "scope": platform.scope_separator.join(platform.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if platform.protocol == "oidc":
        query["nonce"] = nonce
    return f"{platform.authorize_url}?{urlencode(query)}"


async def finish(gateway: Gateway, key: Key, name: str, query: Mapping[str, str]) -> Linked:
    """Take what a platform sent a browser back with, and link the account (GTW-051 to GTW-053).

    Raises:
        GatewayError: the state was used, is too old or another person's; the platform refused, answered
            something else or does not answer.
    """
    client = client_of(gateway, name)
    async with gateway.database.transaction() as tx:
        asked = await challenges.take(tx, _STATE, query.get("state", ""), gateway.now_s)
    if asked["platform"] != name or asked["key"] != key.id.hex():
        raise GatewayError(Fault.FORBIDDEN, "somebody else began this")
    issuer = query.get("iss")
    if issuer is not None and client.platform.issuer and issuer != client.platform.issuer:
        raise GatewayError(Fault.FORBIDDEN, "another platform answered")  # RFC 9207
    if "code" not in query:
        raise GatewayError(Fault.REFUSED, "the platform gave no leave")
    tokens = await _exchange(gateway, client, name, query["code"], asked["verifier"])
    if client.platform.affiliation:
        keys = await _ask(gateway, "GET", client.platform.jwks_url, {"accept": "application/json"}, None)
        shown = students.SignedIn(client, keys.document, tokens.get("id_token"), asked["nonce"])
        account, kept = students.student_of(shown, gateway.now_s)
        return await _link(gateway, key, asked["passport"], account, kept)
    account = await _who(gateway, client, tokens, asked["nonce"])
    return await _link(gateway, key, asked["passport"], account, tokens)


async def link_telegram(gateway: Gateway, key: Key, passport: int, fields: Mapping[str, str]) -> Linked:
    """Link a Telegram account by its widget's fields, each login once (SOC-005).

    Raises:
        GatewayError: not signed by Telegram for this bot, too old, or used.
    """
    client = client_of(gateway, "telegram")
    try:
        login = read_login(fields, client.secret.reveal(), gateway.now_s)
    except TelegramError as error:
        raise GatewayError(Fault.BAD_SIGNATURE, str(error)) from error
    used = sha256(fields["hash"].encode()).hexdigest()
    async with gateway.database.transaction() as tx:
        if not await challenges.first_use(tx, "telegram", used, gateway.now_s, 3_600):
            raise GatewayError(Fault.EXPIRED, "this login was used")
    return await _link(gateway, key, passport, AccountOf("telegram", login.id, login.handle), {})


async def _exchange(
    gateway: Gateway, client: SocialClient, name: str, code: str, verifier: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(gateway, name),
        "code_verifier": verifier,
    }
    return await _tokens(gateway, client, form, "the platform did not take the code")


async def _tokens(
    gateway: Gateway, client: SocialClient, asked: Mapping[str, str], refused: str
) -> dict[str, Any]:
    """Ask a platform's token endpoint, as the client that the operator registered (GTW-052)."""
    platform = client.platform
    form = {**asked, platform.client_parameter: client.client_id}
    auth = None
    if platform.token_auth == "basic":  # noqa: S105 - a name, no secret
        auth = aiohttp.encode_basic_auth(client.client_id, client.secret.reveal())
    else:
        form["client_secret"] = client.secret.reveal()
    headers = {"accept": "application/json"} | ({"authorization": auth} if auth else {})
    answer = await _ask(gateway, "POST", platform.token_url, headers, form)
    tokens = answer.document
    if (
        answer.status != 200
        or not isinstance(tokens, dict)
        or not isinstance(tokens.get("access_token"), str)
    ):
        raise GatewayError(Fault.REFUSED, refused)
    return tokens


async def _who(gateway: Gateway, client: SocialClient, tokens: dict[str, Any], nonce: str) -> AccountOf:
    platform = client.platform
    if platform.protocol == "oidc":
        document: Any = await _id_token(gateway, client, tokens.get("id_token"), nonce)
    else:
        answer = await question(gateway, client, tokens["access_token"], platform.profile.url)
        if answer.status != 200:
            raise GatewayError(Fault.UNAVAILABLE, f"the platform answered {answer.status}", retry_after_s=60)
        document = answer.document
    return _account(platform, document)


def _account(platform: Platform, document: Any) -> AccountOf:
    found, handle = value_at(document, platform.profile.id), value_at(document, platform.profile.handle)
    if type(found) not in (int, str) or not 0 < len(str(found)) <= 255:
        raise GatewayError(Fault.REFUSED, "the platform does not say who this is")
    return AccountOf(platform.id, str(found), str(handle)[:255] if isinstance(handle, str) else "")


async def _id_token(gateway: Gateway, client: SocialClient, token: Any, nonce: str) -> dict[str, Any]:
    """GTW-053."""
    platform = client.platform
    keys = await _ask(gateway, "GET", platform.jwks_url, {"accept": "application/json"}, None)
    try:
        decoded = jwt.decode(str(token), KeySet.import_key_set(keys.document), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise GatewayError(Fault.REFUSED, "an ID token that the platform did not sign") from error
    claims, now = decoded.claims, gateway.now_s
    audience = claims.get("aud")
    right = {
        "iss": claims.get("iss") == platform.issuer,
        "aud": audience == client.client_id or audience == [client.client_id],
        "nonce": claims.get("nonce") == nonce,
        "exp": type(claims.get("exp")) is int and now < claims["exp"] + CLOCK_SKEW_S,
        "iat": type(claims.get("iat")) is int and claims["iat"] <= now + CLOCK_SKEW_S,
    }
    if not all(right.values()):
        wrong = ", ".join(name for name, held in right.items() if not held)
        raise GatewayError(Fault.REFUSED, f"an ID token for something else: {wrong}")
    return dict(claims)


async def _link(
    gateway: Gateway, key: Key, passport: int, account: AccountOf, tokens: Mapping[str, Any]
) -> Linked:
    kept = {name: tokens[name] for name in KEPT if name in tokens}
    job, moving = await people.bind_shown(
        gateway,
        key,
        passport,
        account,
        act="link-account",
        subject=f"passport {passport} {account.platform}",
        tokens=kept,
    )
    return Linked(job, moving)


async def question(gateway: Gateway, client: SocialClient, token: str, url: str) -> Answer:
    """Ask a platform with somebody's access token.

    Raises:
        GatewayError: it does not answer.
    """
    headers = {"accept": "application/json"}
    headers |= {
        name: fill(text, client_id=client.client_id) for name, text in client.platform.headers.items()
    }
    return await _ask(gateway, "GET", url, headers | {"authorization": f"Bearer {token}"}, None)


async def _ask(
    gateway: Gateway, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
) -> Answer:
    """GTW-054: the platform's file alone says where to; no redirect is followed."""
    try:
        async with gateway.http.request(
            method,
            url,
            headers=headers,
            data=form,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=PLATFORM_S),
        ) as answer:
            raw = b""
            while len(raw) <= MAX_ANSWER_BYTES and (more := await answer.content.read(1 << 16)):
                raw += more
            if len(raw) > MAX_ANSWER_BYTES:
                raise GatewayError(Fault.UNAVAILABLE, "the platform's answer has no end", retry_after_s=60)
            try:
                document = orjson.loads(raw) if raw else None
            except orjson.JSONDecodeError:
                document = None
            return Answer(answer.status, document, gateway.now_s)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        # Neither address nor answer: they may hold codes and tokens (GTW-031).
        host = urlsplit(url).hostname
        raise GatewayError(Fault.UNAVAILABLE, f"{host} does not answer", retry_after_s=60) from error


async def observations_of(
    gateway: Gateway,
    checks: Collection[CheckCondition],
    known: list[LinkedAccount],
    since_s: int | None = None,
) -> tuple[dict[Hash32, Observation], list[AccountOf]]:
    """Answer the `social.` checks of a policy; what cannot be had is not known (SOC-023).

    Args:
        gateway: which one.
        checks: of a policy; others are left out.
        known: accounts of the passport.
        since_s: Unix time before which posts do not count, whatever a check says; None for none.
    """
    found: dict[Hash32, Observation] = {}
    used: list[AccountOf] = []
    for check in checks:
        if not check.validator.startswith("social."):
            continue
        name = check.parameters["platform"]
        mine = next((one for one in known if one.account.platform == name), None)
        if mine is None:
            none = judge.linked(name, None, gateway.now_s)
            found[check.key] = none if check.validator != "social.posts" else replace(none, value=None)
            continue
        used.append(mine.account)
        try:
            found[check.key] = await _observe(gateway, check, mine, since_s)
        except GatewayError as error:
            found[check.key] = Observation(None, gateway.now_s, name, error.detail)
    return found, used


async def _observe(
    gateway: Gateway, check: CheckCondition, mine: LinkedAccount, since_s: int | None
) -> Observation:
    client, asked = client_of(gateway, mine.account.platform), dict(check.parameters)
    platform, token = client.platform, mine.tokens.get("access_token", "")
    if check.validator == "social.linked":
        checked = await _recheck(gateway, client, mine)
        return judge.linked(platform.id, checked, gateway.now_s)
    rule = platform.follows if check.validator == "social.follows" else platform.posts
    if rule is None or not token:
        return Observation(None, gateway.now_s, platform.id, "the platform does not say")
    if since_s is not None:
        asked["fromS"] = max(asked.get("fromS", 0), since_s)
    places = {"id": mine.account.id, "target": str(asked.get("target", ""))}
    places |= {"from": _date(asked.get("fromS", 0)), "until": _date(asked.get("untilS", gateway.now_s))}
    answer = await _questioned(gateway, client, mine, fill(rule.url, **places))
    if platform.follows is rule:
        return judge.follows(platform.id, platform.follows, places["target"], answer)
    assert platform.posts is not None
    pages = [answer]
    while (page := judge.next_page(platform.posts, pages[-1])) and len(pages) < MAX_PAGES:
        url = fill(rule.url, **places)
        url += f"{'&' if '?' in url else '?'}{platform.posts.page}={quote(page, safe='')}"
        pages.append(await _questioned(gateway, client, mine, url))
    return judge.posts(platform.id, platform.posts, asked, pages)


async def _questioned(gateway: Gateway, client: SocialClient, mine: LinkedAccount, url: str) -> Answer:
    """Ask a platform with an account's token; where that is over, with a new one (GTW-056)."""
    token = await people.tokens_of(gateway, mine.nullifier)
    answer = await question(gateway, client, token.get("access_token", ""), url)
    if answer.status != 401:
        return answer
    async with _REFRESHING.setdefault(mine.nullifier, asyncio.Lock()):
        now = await people.tokens_of(gateway, mine.nullifier)
        if now.get("access_token") == token.get("access_token"):  # nobody else renewed it meanwhile
            if "refresh_token" not in now:
                return answer
            form = {"grant_type": "refresh_token", "refresh_token": now["refresh_token"]}
            try:
                renewed = await _tokens(gateway, client, form, "the platform did not renew the token")
            except GatewayError as error:
                if error.fault is not Fault.REFUSED:
                    raise
                return answer
            now = {**now, **{name: renewed[name] for name in KEPT if name in renewed}}
            await people.keep_tokens(gateway, mine.nullifier, now)
    return await question(gateway, client, now.get("access_token", ""), url)


async def _recheck(gateway: Gateway, client: SocialClient, mine: LinkedAccount) -> int:
    """Have a stale link shown anew, if its token still opens the profile; return when it was last shown."""
    platform = client.platform
    if gateway.now_s - mine.checked_s < STALE_S or not mine.tokens or not platform.profile.url:
        return mine.checked_s
    answer = await _questioned(gateway, client, mine, platform.profile.url)
    if answer.status != 200 or _account(platform, answer.document).id != mine.account.id:
        return mine.checked_s
    async with gateway.database.transaction() as tx:
        row = accounts.c.nullifier == mine.nullifier
        await tx.execute(update(accounts).where(row).values(checked_s=gateway.now_s))
    return gateway.now_s


def _date(moment_s: int) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
