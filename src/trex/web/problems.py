"""Refusals as RFC 9457 has them, whoever refused: the service, its framework, a check of a body (GTW-003)."""

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from trex.web.errors import STATUS, Fault, RefusalError

_FAULTS = {404: Fault.NOT_FOUND, 405: Fault.MALFORMED}


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    """Stable name."""


def problem(error: RefusalError, instance: str = "") -> tuple[int, bytes]:
    """Write a refusal as RFC 9457 has it; return status and body."""
    status = STATUS[error.fault]
    document = {"type": "about:blank", "title": error.fault.value, "status": status, "detail": error.detail}
    document |= {"code": error.fault.value} | ({"instance": instance} if instance else {})
    document = dict(error.more) | document
    return status, orjson.dumps(document)


def refuse_by_problems(app: FastAPI) -> None:
    """Have an application answer every refusal, its own and the framework's, by a problem."""
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)


def refused(error: RefusalError) -> Response:
    """Answer a refusal."""
    status, body = problem(error)
    headers = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return Response(body, status, headers, "application/problem+json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return refused(error)


async def _malformed(_: Request, error: Exception) -> Response:
    """Say which part is wrong, never what was sent: it may be a secret."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(
        f"{'.'.join(str(part)[:40] for part in one['loc'])}: {one['type']}" for one in error.errors()[:5]
    )
    return refused(RefusalError(Fault.MALFORMED, said))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    fault = _FAULTS.get(error.status_code, Fault.MALFORMED)
    status, body = problem(RefusalError(fault, str(error.detail)))
    return Response(
        body, error.status_code if fault is Fault.MALFORMED else status, media_type="application/problem+json"
    )
