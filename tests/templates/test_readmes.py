"""The READMEs and parameter files say what the templates say."""

import json

import pytest

from tools import templates
from tools.templates import FOLDER, STACKS, load, stored_names, template, with_tables


def parameters_of(file):
    return {
        entry["ParameterKey"]: entry["ParameterValue"]
        for entry in json.loads(file.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("stack", STACKS)
def test_the_readmes_tables_are_the_templates(stack):
    text = (FOLDER / stack / "README.md").read_text(encoding="utf-8")
    assert with_tables(stack, text) == text, "run: python -m tools.templates"


def test_a_readme_that_differs_is_reported(tmp_path, monkeypatch, capsys):
    for stack in STACKS:
        (tmp_path / stack).mkdir()
        for name in ("README.md", "template.yml"):
            (tmp_path / stack / name).write_text((FOLDER / stack / name).read_text(encoding="utf-8"))
    changed = tmp_path / STACKS[0] / "template.yml"
    changed.write_text(changed.read_text().replace("Default: 10.20.0.0/20", "Default: 10.30.0.0/20"))
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    monkeypatch.setattr(templates, "ROOT", tmp_path)
    assert templates.main(["--check"]) == 1
    assert capsys.readouterr().out.startswith("00-networking/README.md differs from its template.")


@pytest.mark.parametrize("stack", STACKS)
def test_parameter_files_name_parameters_that_the_template_allows(stack):
    known = template(stack)["Parameters"]
    for file in (FOLDER / stack / "params").glob("*.json"):
        for name, value in parameters_of(file).items():
            assert name in known, (file, name)
            assert str(value) in map(str, known[name].get("AllowedValues", [value])), (file, name)


@pytest.mark.parametrize("stack", STACKS)
def test_every_parameter_is_used_described_and_in_a_group(stack):
    parsed = template(stack)
    text = json.dumps({key: parsed[key] for key in ("Resources", "Conditions", "Outputs")})
    groups = parsed["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert {name for group in groups for name in group["Parameters"]} == set(parsed["Parameters"])
    for name, parameter in parsed["Parameters"].items():
        assert f'"Ref": "{name}"' in text or f"${{{name}}}" in text, name
        assert len(parameter["Description"]) > 15 and parameter.keys() & {
            "AllowedValues",
            "AllowedPattern",
            "MinValue",
            "MaxLength",
            "Default",
        }


def test_parameters_of_the_issue_are_there():
    """The names that people and scripts rely on, and which of them must be given."""
    named = {
        "01-sagemaker-studio-environment": {"SageMakerDomainName", "SecurityGroupId", "SubnetId", "VpcId"},
        "02-ci-cd": {
            "AccountIdDev",
            "PipelineSuffix",
            "RepositoryTrainingName",
            "RepositoryDeploymentName",
            "S3BucketArtifacts",
        },
        "03-ml-environment": {
            "AccountIdTooling",
            "CodePipelineDeploymentArn",
            "KMSAlias",
            "ModelPackageGroupDescription",
            "ModelPackageGroupName",
            "S3BucketName",
        },
    }
    mandatory = {"SageMakerDomainName", "S3BucketArtifacts", "S3BucketName"}
    found = set()
    for stack in STACKS:
        parameters = template(stack)["Parameters"]
        assert named.get(stack, set()) <= parameters.keys()
        found |= {name for name, parameter in parameters.items() if "Default" not in parameter}
    assert found == mandatory


def test_what_a_stack_reads_an_earlier_one_has_stored():
    stored = set()
    for stack in STACKS:
        assert templates.read_names(stack) <= stored | set(stored_names(stack)), stack
        stored |= set(stored_names(stack))


def test_short_forms_are_read_as_their_long_forms():
    read = load("A: !Ref B\nC: !GetAtt D.E.F\nG: !If [H, !Sub 'x${I}', !Ref AWS::NoValue]\nJ: !Condition K")
    assert read == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "E.F"]},
        "G": {"Fn::If": ["H", {"Fn::Sub": "x${I}"}, {"Ref": "AWS::NoValue"}]},
        "J": {"Condition": "K"},
    }
