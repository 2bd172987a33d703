"""The overlay of builds: the workshop's packages without what is installed in editable mode."""

import json
import os

from local_aws.runtime.images import without_editable


def install(packages, name, url):
    info = packages / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    if url is not None:
        (info / "direct_url.json").write_text(url)


def test_editable_installations_are_hidden(tmp_path):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "numpy").mkdir()
    (packages / "numpy" / "__init__.py").write_text("x = 1\n")
    install(packages, "numpy", None)
    install(packages, "local", json.dumps({"url": "file:///x", "dir_info": {}}))
    install(packages, "broken", "{")
    assert without_editable(packages, tmp_path / "home") == packages  # nothing to hide
    install(packages, "lab", json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    seen = without_editable(packages, tmp_path / "home")
    names = ["broken-1.0.dist-info", "local-1.0.dist-info", "numpy", "numpy-1.0.dist-info"]
    assert sorted(os.listdir(seen)) == names
    assert (seen / "numpy" / "__init__.py").read_text() == "x = 1\n"
    assert without_editable(packages, tmp_path / "home") == seen
    (packages / "six.py").write_text("")
    os.utime(packages, (1, 1))  # installed at another time, whatever the clock's resolution
    assert "six.py" in os.listdir(without_editable(packages, tmp_path / "home"))
