"""What servers say, without the credentials that they may repeat."""

import base64
import re
from urllib.parse import quote, unquote

_HIDDEN = "***"
# A header of HTTP, as a server or a proxy shows the request that it refuses.
_SCHEME = re.compile(r"\b(Basic|Bearer)\s+[\w.~+/=-]{4,}", re.IGNORECASE)
_HEADER = re.compile(
    r"(Authorization|X-ClickHouse-Key)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+", re.IGNORECASE
)


def redacted(text: str, *secrets: str | None, user: str | None = None) -> str:
    """The text without these secrets, in any form in which a request may have them.

    >>> redacted("Authorization: Basic dTpodW50ZXIy refused; p%40ss", "p@ss")
    'Authorization: Basic *** refused; ***'
    """
    for secret in secrets:
        if secret:
            plain = unquote(secret)
            pair = f"{unquote(user or '')}:{plain}".encode()
            forms = {secret, plain, quote(plain, safe=""), base64.b64encode(pair).decode()}
            # The longest first, since one may be a part of another.
            for form in sorted(forms, key=len, reverse=True):
                text = text.replace(form, _HIDDEN)
    text = _SCHEME.sub(rf"\1 {_HIDDEN}", text)
    return _HEADER.sub(_value, text)


def _value(header: re.Match[str]) -> str:
    is_scheme = header[0].casefold().endswith(("basic", "bearer"))
    return header[0] if is_scheme else f"{header[1]}{header[2]}{_HIDDEN}"
