"""The images of `deploy/compose.yaml`, built where there is something that builds images.

Run by `make test-topology`.
"""

import shutil
import subprocess

import pytest

from tests.topology.compose import FILE, declared, interpolate

pytestmark = pytest.mark.timeout(3600)

BUILDERS = ("docker", "podman", "buildah")
IMAGES = {
    service["image"]: interpolate(service["build"], {})
    for service in declared().values()
    if "build" in service
}


@pytest.fixture(scope="module")
def builder() -> str:
    """The first that is there and can be spoken to: Docker's client may be without its engine."""
    for name in BUILDERS:
        if shutil.which(name) is not None:
            asked = subprocess.run([name, "info"], capture_output=True, timeout=60, check=False)
            # Without its engine some versions succeed all the same, and say so here.
            if asked.returncode == 0 and b"Cannot connect" not in asked.stderr:
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
