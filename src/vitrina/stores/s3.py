"""S3: how a bucket is opened, and its failures as ours, whether Arrow met them or Spark.

Both take the address, the region and the keys from the variables `AWS_*`, not from us. A server may
take a connection and then say nothing: Arrow is told when to give it up. Spark would try for
minutes, so Arrow asks meanwhile.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyarrow import fs

from vitrina.errors import SettingsError, StoreError, StoreUnavailable, VitrinaError
from vitrina.settings import s3_address, s3_region

# Seconds without a word until Arrow asks again, and how often it does. The pauses between grow to
# some seconds, so a silent server is given up after 20 to 27 s; by default it would be after 99.
_SILENCE = 5.0
_ATTEMPTS = 4
# Seconds between two questions to S3 while Spark works on a lake there.
_PAUSE = 10.0

# How a failure reads, and what S3 calls it, or the number of its answer. The first of them is
# Arrow's; the others are Sail's.
_FAILURES = (
    re.compile(r"AWS Error (?:UNKNOWN \(HTTP status )?(?P<code>\w+)"),
    re.compile(r"Generic S3 error.*<Code>(?P<code>\w+)", re.DOTALL),
    re.compile(r"Generic S3 error.*status code: (?P<code>\d+)", re.DOTALL),
    re.compile(r"Generic S3 error.*(?P<code>HTTP error)", re.DOTALL),
    re.compile(r"^(?P<code>operation timed out)"),
    re.compile(r"(?P<code>lacked the necessary privileges|lacked valid authentication)"),
)
# What asking again does not change; all else may pass: a lost connection, a busy server.
_REFUSALS = {
    "accessdenied",
    "allaccessdisabled",
    "authorizationheadermalformed",
    "expiredtoken",
    "invalidaccesskeyid",
    "invalidclienttokenid",
    "invalidsignature",
    "invalidtoken",
    "lacked the necessary privileges",
    "lacked valid authentication",
    "missingauthenticationtoken",
    "nosuchbucket",
    "permanentredirect",
    "signaturedoesnotmatch",
    "unrecognizedclient",
    "301",
    "400",
    "401",
    "403",
}


def open_bucket(url: str, what: str = "lake") -> tuple[fs.FileSystem, str]:
    """The file system of `s3://bucket/prefix`, and the path in it; `what` is kept there.

    Raises:
        SettingsError: there is no such bucket.
        StoreError: S3 refuses these keys.
        StoreUnavailable: it does not answer.
    """
    with s3_failures(url, what):
        region = s3_region()
        # Arrow asks Amazon for a region that it is not told, and has no limit of time for that.
        known, path = fs.FileSystem.from_uri(f"{url}?region={region}" if region else url)
        # The same again, since a URL cannot say how long to wait.
        opened = fs.S3FileSystem(
            region=known.region,
            endpoint_override=s3_address(),
            request_timeout=_SILENCE,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        )
        bucket = path.partition("/")[0]
        # Reading from a bucket that is not there looks like reading from an empty one.
        if opened.get_file_info(bucket).type == fs.FileType.NotFound:
            remedy = "create it, or set VITRINA_LAKE" if what == "lake" else "correct source.files"
            raise SettingsError(f"{what} {url}: there is no bucket {bucket}; {remedy}")
    return opened, path


@contextmanager
def attended(
    bucket: fs.FileSystem, path: str, url: str, let_go: Callable[[], bool]
) -> Iterator[None]:
    """Ask now and then whether S3 answers; if it does not, `let_go` of the engine at work on it.

    `let_go` says whether there was one, whose work is then lost. `path` is in the bucket.

    Raises:
        StoreUnavailable: S3 did not answer, and the engine was let go.
    """
    ended, deciding = threading.Event(), threading.Lock()
    silent: list[StoreUnavailable] = []

    def ask() -> None:
        while not silent and not ended.wait(_PAUSE):
            try:
                with s3_failures(url):
                    bucket.get_file_info(path.partition("/")[0])
            except StoreUnavailable as error:
                with deciding:
                    if not ended.is_set() and let_go():
                        silent.append(error)
            except (StoreError, OSError):
                # The engine is refused as well, and it is told then.
                continue

    threading.Thread(target=ask, daemon=True).start()
    try:
        yield
    except Exception as error:
        # Whoever was let go fails at once, before that is noted.
        with deciding:
            if silent:
                raise silent[0] from error
        raise
    finally:
        with deciding:
            ended.set()


@contextmanager
def s3_failures(url: str, what: str = "lake") -> Iterator[None]:
    """Turn failures of S3 into ours, in one line that names the URL and shows no key.

    Raises:
        StoreError: S3 refuses what was asked.
        StoreUnavailable: it does not answer, or is busy.
    """
    try:
        yield
    except VitrinaError:
        raise
    except Exception as error:
        code = _code(str(error))
        if code is None:
            raise
        if code.replace("_", "").lower() in _REFUSALS:
            raise StoreError(
                f"{what} {url}: S3 refuses what was asked ({code}); docs/lake.md lists the "
                "variables and permissions that it takes"
            ) from error
        raise StoreUnavailable(
            f"{what} {url}: S3 cannot be reached or is busy ({code}); run the step again"
        ) from error


def _code(text: str) -> str | None:
    """What a failure of S3 is called, or None if it is none of S3's."""
    for failure in _FAILURES:
        if found := failure.search(text):
            return found["code"]
    return None
