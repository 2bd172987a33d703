"""Image URIs: `lab_lib.images`."""

import pytest
from packaging.version import Version
from sagemaker.core import image_uris

from lab_lib.images import IMAGE_VERSIONS, image_uri


@pytest.mark.parametrize(("framework", "scope"), [key for key in IMAGE_VERSIONS if key[0] != "sklearn"])
def test_the_newest_listed_version_is_used(framework, scope):
    listed = image_uris.config_for_framework(framework)[scope]["versions"]
    newest = max(listed, key=Version)
    used = IMAGE_VERSIONS[framework, scope]
    assert used["version"] == newest, "a newer image is listed: try the scripts on it, then raise the version"
    if "base_framework_version" in used:
        bases = [name for name in listed[newest] if name.startswith("pytorch")]
        assert used["base_framework_version"] in bases


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-south-1"])
def test_each_region_has_its_registry(region):
    for framework, scope in IMAGE_VERSIONS:
        gpu = (framework, scope) == ("huggingface", "training")
        uri = image_uri(framework, scope, region, "ml.g5.xlarge" if gpu else "ml.m5.large")
        assert f".dkr.ecr.{region}.amazonaws.com/" in uri


def test_unknown_framework():
    with pytest.raises(
        ValueError, match=r"No training image for framework 'jax'\. There are: tensorflow training"
    ):
        image_uri("jax", "training", "us-east-1", "ml.m5.large")
