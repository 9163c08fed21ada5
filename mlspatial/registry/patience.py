"""A tracking store that goes away is asked again for a while, with a word to the person who watches.

Every call of MLflow's client, every request and every transfer of an artifact goes through `patiently`. Only what says
that nobody is there is asked again: no connection, a connection that breaks, a database that is locked, and what a
server or proxy answers meanwhile (429, 502, 503, 504; of artifacts also 500: the object store behind it is away). A
server whose database went away in the middle of a request breaks off (500), and MLflow's client does not hand on what
it said; that is asked again for BROKEN_SECONDS, as it may be a defect as well.
"""

from __future__ import annotations

import math
import os
import re
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from mlspatial.core.errors import BadValue, Unreachable, UserError
from mlspatial.core.progress import say
from mlspatial.core.secrets import shown as shown
from mlspatial.core.stopping import stop_waits

VARIABLE, DEFAULT = "MLSPATIAL_PATIENCE", 150.0  # seconds for which a store that was there is asked again
PAUSE, LONGEST_PAUSE = 0.2, 1.0  # seconds between two tries, doubled each time
WORD_SECONDS = 20.0  # between two words about it
BROKEN_SECONDS, BROKEN = 10.0, "its server broke off, status 500"
STATUS = (429, 502, 503, 504)
CODES = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")  # MLflow's
#: sqlite's words for a database that others hold, or that is not to be reached; an initialised one has its tables.
SQLITE_AWAY = re.compile("locked|busy|unable to open|disk I/O|no such table", re.I)
#: Other databases' words for somebody who is there and says no.
DATABASE_REFUSES = re.compile("authentication|denied|does not exist|pg_hba|unknown database|permission", re.I)
#: What a failed download of several files says instead of raising what each of them met.
NOT_THERE = re.compile(
    r"too many (?:429|502|503|504) error|(?:error code )?\b(?:429|502|503|504)\b (?:!= 200|Client Error|Server Error)"
    r"|establish a new connection|Connection (?:aborted|broken|refused|reset)|timed out|[Nn]ame resolution"
    r"|EOF occurred|chunk\(s\)"
)
#: What a server says of an artifact while the object store behind it does not answer; elsewhere, 500 is a defect.
STORE_AWAY = re.compile(
    r"/mlflow-artifacts/\S* \(Caused by ResponseError\('too many 500 error|\b500 Server Error\b[^\n]*/mlflow-artifacts/"
    r"|/mlflow-artifacts/\S* failed with error code 500 "
)
#: A server that broke off, of anything but artifacts.
BROKE_OFF = re.compile(r"too many 500 error|\berror code 500 != 200\b|\b500 Server Error\b")

#: where MLflow looks for them, in this order
OWN_PLACES = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or write them into ~/.mlflow/credentials"

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_hurried: ContextVar[float] = ContextVar("seconds of patience", default=math.inf)
_abandoned = threading.Event()  # set while waiting threads are to end
_lock = threading.Lock()
_told = -math.inf  # when the last word was said
_down = False  # whether the last thing that was asked found nobody


def patience() -> float:
    """Seconds for which a store that does not answer is asked again. Raises BadValue."""
    text = os.environ.get(VARIABLE, "") or str(DEFAULT)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadValue(VARIABLE, text, "must be a number of seconds, 0 or more")
    return seconds


@contextmanager
def hurried(seconds: float = 0.0) -> Iterator[None]:
    """What is asked inside is asked again for so many seconds at most; for none: one try each."""
    token = _hurried.set(min(seconds, _hurried.get()))
    try:
        yield
    finally:
        _hurried.reset(token)


def down() -> bool:
    """Whether the store did not answer when it was last asked."""
    return _down


def patiently(ask: Callable[[], Answer], found: Callable[[], Answer | None] = lambda: None) -> Answer:
    """What `ask` returns, asked again while nobody is there. Raises Unreachable when that lasts too long.

    The time counts from the first try; no try begins after it. found: what an earlier try has made although its answer
    was lost, for what must not be made twice.
    """
    global _down
    began, pause, again = time.monotonic(), PAUSE, False
    while True:
        try:
            answer = (_lost(found) if again else None) or ask()
        except Exception as error:
            if not (reason := away(error)):
                if refused(error):
                    raise UserError(f"{place()}: {_who()}; {OWN_PLACES}") from error
                raise
            problem = error
        else:
            _down = False
            if again:
                _tell_again(began)
            return answer
        _down, waited = True, time.monotonic() - began
        limit = min(patience(), _hurried.get(), BROKEN_SECONDS if reason == BROKEN else math.inf)
        if waited >= limit:
            if isinstance(problem, Unreachable):
                raise problem
            if reason == BROKEN:
                _down = False  # somebody is there, with a defect
                raise problem
            raise Unreachable(
                f"{place()}: does not answer ({reason}), tried for {waited:.0f} s; is it up? "
                "The same command goes on from here"
            ) from problem
        if again:
            _tell(reason, limit - waited)
        if _abandoned.wait(min(pause, limit - waited)) or stop_waits():
            raise Unreachable(f"{place()}: does not answer ({reason})") from problem
        pause, again = min(2 * pause, LONGEST_PAUSE), True


def _lost(found: Callable[[], Answer | None]) -> Answer | None:
    with hurried():
        return found()


def at_once(work: Callable[[Item], Answer], items: Sequence[Item], threads: int) -> list[Answer]:
    """The results for all items, in threads; an interruption ends their waits as well."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work, items))
        except BaseException:
            _abandoned.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            _abandoned.clear()


def place() -> str:
    """The store, as messages name it: without its password."""
    return f"MLFLOW_TRACKING_URI={shown(os.environ.get('MLFLOW_TRACKING_URI', ''))}"


def refused(error: BaseException) -> bool:
    """Whether a server does not take the password (status 401)."""
    return _says(error, 401, "UNAUTHENTICATED")


def not_allowed(error: BaseException) -> str:
    """What to tell somebody whom the server knows and who may not do what was asked (status 403); else ''."""
    if not _says(error, 403, "PERMISSION_DENIED"):
        return ""
    user = _user()
    return f"{place()}: {f'user {user}' if user else 'who has no name'} may not do this; ask for the right to it"


def mlflow_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What MLflow raises, to be caught with others; where it is not loaded, which takes seconds, it raises nothing."""
    if "mlflow" not in sys.modules:
        return others
    from mlflow.exceptions import MlflowException

    return (MlflowException, *others)


def store_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What any way to a store raises that is loaded, to be caught with others; what `requests` raises is an OSError."""
    found = mlflow_errors(sqlite3.Error, OSError, *others)
    if "sqlalchemy" not in sys.modules:
        return found
    from sqlalchemy.exc import SQLAlchemyError

    return (SQLAlchemyError, *found)


def _loaded() -> bool:
    """Whether anything is loaded that raises more than Python itself."""
    return bool(sys.modules.keys() & {"mlflow", "requests", "sqlalchemy"})


def _says(error: BaseException, status: int, code: str) -> bool:
    if not _loaded():
        return False
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code == status
    return isinstance(error, MlflowException) and (error.error_code == code or f"error code {status} " in str(error))


def _user() -> str:
    from mlflow.utils.credentials import read_mlflow_creds

    return read_mlflow_creds().username or ""


def _who() -> str:
    if os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return "does not take the token of MLFLOW_TRACKING_TOKEN"
    return f"wrong password, or no user {_user()}" if _user() else "wants a user and a password"


def _tell(reason: str, left: float) -> None:
    global _told
    with _lock:
        due = time.monotonic() - _told >= WORD_SECONDS
        if due:
            _told = time.monotonic()
    if due:
        say(f"{place()}: does not answer ({reason}); trying for {left:.0f} s more")


def _tell_again(began: float) -> None:
    global _told
    with _lock:
        due = _told >= began
        _told = -math.inf if due else _told
    if due:
        say(f"{place()}: answers again, after {time.monotonic() - began:.0f} s")


def away(error: BaseException) -> str:
    """The reason, in a few words, when an error says that the store is not there just now; else ''."""
    link: BaseException | None = error
    while link is not None:
        verdict = _verdict(link)
        if verdict is not None:
            return shown(" ".join(verdict.split()))[:120]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return ""


def _verdict(error: BaseException) -> str | None:
    """The reason when this says that nobody is there, '' when it says something else, None when it does not say."""
    text = str(error)
    if isinstance(error, sqlite3.Error):
        return text if SQLITE_AWAY.search(text) else ""
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return text or type(error).__name__
    if not _loaded():
        return None
    from mlflow.exceptions import MlflowException, RestException
    from requests import exceptions as http
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    if isinstance(error, RestException):
        return error.error_code if error.error_code in CODES else ""
    if isinstance(error, MlflowException):
        if error.error_code in CODES and (error.__cause__ or error.__context__):
            return None  # of a database, which says more
        if error.error_code in CODES:
            return error.error_code
        named = _named(text) if error.error_code == "INTERNAL_ERROR" else ""
        if named and not (error.__cause__ or error.__context__):
            return named
        return None if error.error_code == "INTERNAL_ERROR" else ""
    if isinstance(error, http.HTTPError):
        status = error.response.status_code if error.response is not None else 0
        return f"status {status}" if status in STATUS else _named(text) if status == 500 else ""
    if isinstance(error, http.RetryError | http.SSLError):
        return _named(text)
    if isinstance(error, http.ConnectionError | http.Timeout | http.ChunkedEncodingError):
        return _last_words(text)
    if isinstance(error, DBAPIError):
        first = str(error.orig).partition("\n")[0]
        if isinstance(error.orig, sqlite3.Error):
            return first if SQLITE_AWAY.search(first) else ""
        lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
        return first if lost and not DATABASE_REFUSES.search(first) else ""
    return None


def _named(text: str) -> str:
    """What the words of an error name of a store that is not there; else ''."""
    if found := NOT_THERE.search(text):
        return found[0]
    return "its object store, status 500" if STORE_AWAY.search(text) else BROKEN if BROKE_OFF.search(text) else ""


def _last_words(text: str) -> str:
    """Of a chain of reasons the innermost: [Errno 111] Connection refused."""
    return text.rpartition(": ")[2].strip("'\")> ") or text
