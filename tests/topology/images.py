"""The images of `compose.yaml`, built where there is something that builds images.

Run by `make test-topology`. Where STAND_IN_ARCHIVE is set, Grafana's image gets that archive in
place of its plugin's: `stand_ins/README.md`.
"""

import os
import subprocess
from typing import Any

import pytest
import yaml

from tests.topology.compose import FILE, declared, interpolate
from tests.topology.engines import is_there

pytestmark = pytest.mark.timeout(3600)

BUILDERS = ("docker", "podman", "buildah")
IMAGES = {
    service["image"]: interpolate(service["build"], {})
    for service in declared().values()
    if "build" in service
}


@pytest.fixture(scope="module")
def builder() -> str:
    """The first builder that is installed."""
    for name in BUILDERS:
        if is_there(name):
            return name
    pytest.skip(f"no builder here ({', '.join(BUILDERS)}): the images were NOT built")


def stand_in(image: str) -> list[str]:
    """Options that name the archive, for the image that takes it."""
    if "grafana" not in image or "STAND_IN_ARCHIVE" not in os.environ:
        return []
    found = yaml.safe_load(
        (FILE.parent / "tests/topology/stand_ins/compose.yaml").read_text().replace("!reset", "")
    )
    build: dict[str, Any] = interpolate(found["services"]["grafana"]["build"], os.environ)
    return [
        *(f"--build-arg={name}={value}" for name, value in build["args"].items()),
        *(f"--build-context={name}={path}" for name, path in build["additional_contexts"].items()),
    ]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_built(builder: str, image: str) -> None:
    build = IMAGES[image]
    context = FILE.parent / build["context"]
    subprocess.run(
        [
            *(builder, "build", "--tag", image, "--file", context / build["dockerfile"]),
            *(f"--build-arg={name}={value}" for name, value in build.get("args", {}).items()),
            *stand_in(image),
            context,
        ],
        check=True,
    )
