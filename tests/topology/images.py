"""The images of `deploy/compose.yaml`, built where there is something that builds images.

Run by `make test-topology`.
"""

import subprocess

import pytest

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
    """The first that is there."""
    for name in BUILDERS:
        if is_there(name):
            return name
    pytest.skip(f"no builder here ({', '.join(BUILDERS)}): the images were NOT built")


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_built(builder: str, image: str) -> None:
    build = IMAGES[image]
    context = FILE.parent / build["context"]
    subprocess.run(
        [
            *(builder, "build", "--tag", image, "--file", context / build["dockerfile"]),
            *(f"--build-arg={name}={value}" for name, value in build.get("args", {}).items()),
            context,
        ],
        check=True,
    )
