"""Which Spark a client accepts."""

import pytest

from vitrina.engine import require_version
from vitrina.errors import SettingsError

REMOTE = "sc://spark:15002"


@pytest.mark.parametrize("server", ["4.1.9", "3.5.7"])
def test_a_spark_older_than_its_client_is_refused_with_both_versions(server: str) -> None:
    with pytest.raises(SettingsError, match=f"{REMOTE} is {server}, older .* 4.2.0"):
        require_version(server, "4.2.0", REMOTE)


@pytest.mark.parametrize("server", ["4.2.0", "4.2.3", "4.3.0", "4.10.0", "5.0.0-SNAPSHOT"])
def test_a_spark_as_new_as_its_client_is_taken(server: str) -> None:
    require_version(server, "4.2.1.dev0", REMOTE)
