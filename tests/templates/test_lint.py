"""cfn-lint and checkov find nothing in the templates, and would find what is wrong."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cfnlint.api
import cfnlint.core
import pytest
from cfnlint.helpers import REGIONS
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tools.labs import ROOT
from tools.templates import FOLDER, STACKS, find, path, template

LINT = Path(sys.executable).with_name("cfn-lint")
CHECKOV = Path(os.environ.get("CHECKOV", ROOT / ".venv-checkov" / "bin" / "checkov"))


def lint(*files, options=()):
    done = subprocess.run([LINT, *options, "--", *files], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout


@pytest.mark.slow
def test_cfn_lint_finds_nothing():
    """The command that a person would run."""
    assert lint(*map(path, STACKS)) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("stack", STACKS)
def test_cfn_lint_finds_nothing_in_any_region(stack):
    """The one finding left out, in place, is E3006: a resource type that a region does not have.

    Four regions at a time: cfn-lint multiplies the regions with all conditions that an Fn::Sub meets.
    """
    rules, text = cfnlint.core.get_rules([], [], ["I", "W", "E"]), path(stack).read_text(encoding="utf-8")
    for start in range(0, len(REGIONS), 4):
        assert cfnlint.api.lint(text, rules, list(REGIONS[start : start + 4])) == []
    ignored = {code for codes in find(template(stack), "ignore_checks") for code in codes}
    assert ignored <= {"E3006"}


@pytest.mark.slow
def test_cfn_lint_would_find_a_mistake(tmp_path):
    bad = path(STACKS[0]).read_text().replace("EnableDnsSupport: true", "EnableDnsSuport: true")
    (tmp_path / "template.yml").write_text(bad)
    status, said = lint(tmp_path / "template.yml")
    assert status and "EnableDnsSuport" in said


@pytest.mark.parametrize("stack", STACKS)
def test_the_readme_names_the_regions_that_lack_a_type(stack):
    """Regions without one of the template's resource types, by cfn-lint's copy of CloudFormation's registry."""
    types = {r["Type"] for r in template(stack)["Resources"].values() if not r["Type"].startswith("Custom::")}
    has = PROVIDER_SCHEMA_MANAGER.get_resource_types
    without = sorted(region for region in REGIONS if not types <= set(has(region)))
    readme = (FOLDER / stack / "README.md").read_text(encoding="utf-8")
    said = ", ".join(f"`{region}`" for region in without)
    assert f"In all regions but {said}." in readme if without else "In all regions." in readme


def checkov(*arguments):
    if not CHECKOV.exists():
        pytest.fail(f"checkov is not installed ({CHECKOV}): make test installs it")
    command = [CHECKOV, "--skip-download", "--framework", "cloudformation", "--output", "json", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_checkov_fails_no_check_and_every_skip_has_its_reason():
    report = checkov("--directory", FOLDER)
    assert report["summary"]["parsing_errors"] == 0 and report["summary"]["passed"] > 150
    failed = [(c["check_id"], c["file_path"], c["resource"]) for c in report["results"]["failed_checks"]]
    assert failed == []
    skipped = report["results"]["skipped_checks"]
    assert all(len(check["check_result"]["suppress_comment"]) > 15 for check in skipped)
    written = [skip for stack in STACKS for block in find(template(stack), "skip") for skip in block]
    assert len(skipped) == len(written), "a skip that skips nothing"


@pytest.mark.slow
def test_checkov_would_find_a_mistake(tmp_path):
    text = (
        path("03-ml-environment").read_text().replace("EnableKeyRotation: true", "EnableKeyRotation: false")
    )
    (tmp_path / "template.yml").write_text(text)
    report = checkov("--file", tmp_path / "template.yml")
    assert [check["check_id"] for check in report["results"]["failed_checks"]] == ["CKV_AWS_7"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_template_fits_into_a_request(stack):
    """CloudFormation takes 51,200 bytes of template without a bucket; a managed policy has at most 6,144 characters."""
    assert path(stack).stat().st_size <= 51200
    for name, resource in template(stack)["Resources"].items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            size = len(json.dumps(resource["Properties"]["PolicyDocument"], separators=(",", ":")))
            assert size < 6144, name


def test_the_lifecycle_configuration_is_named_for_its_script():
    """It can only be replaced, under another name: the name ends with the hash of the script."""
    config = template("01-sagemaker-studio-environment")["Resources"]["InstallWorkshop"]["Properties"]
    script = textwrap.dedent(config["StudioLifecycleConfigContent"]["Fn::Base64"]["Fn::Sub"])
    name = config["StudioLifecycleConfigName"]["Fn::Sub"]
    assert name.endswith("-" + hashlib.sha256(script.encode()).hexdigest()[:8])


def test_the_lifecycle_script_is_shell():
    config = template("01-sagemaker-studio-environment")["Resources"]["InstallWorkshop"]["Properties"]
    script = config["StudioLifecycleConfigContent"]["Fn::Base64"]["Fn::Sub"]
    assert len(script) < 16384  # the API's limit, in Base64
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("stack", STACKS)
def test_inline_functions_are_python(stack):
    for code in find(template(stack), "ZipFile"):
        compile(code, "index.py", "exec")


def test_no_yaml_aliases():
    """CloudFormation takes no YAML aliases, although YAML readers do."""
    import yaml

    for stack in STACKS:
        tokens = yaml.scan(path(stack).read_text(encoding="utf-8"))
        assert not any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in tokens)
