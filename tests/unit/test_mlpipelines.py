"""Pipelines: definitions without an account, parameters, drawings, the commands' errors."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tomllib
from importlib import import_module
from types import SimpleNamespace

import pytest
from checkout_copy import net_namespace
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.images import FRAMEWORKS
from lab_lib.mlpipelines import commands, drawing, train_job, training
from lab_lib.mlpipelines.definition import (
    check_parameters,
    definition,
    load_module,
    make_pipeline,
    offline_lab,
)
from lab_lib.mlpipelines.execution import StepState
from lab_lib.registry import register_model
from lab_lib.settings import LabError
from local_aws.services.pipelines.definition import parse
from tools.labs import ROOT

ROLE = "arn:aws:iam::123456789012:role/demo"
STEPS = {
    "Process": "Processing",
    "ChooseFramework": "Condition",
    **{
        f"{step}{framework.capitalize()}": kind
        for framework in FRAMEWORKS
        for step, kind in {
            "Train": "Training",
            "Evaluate": "Processing",
            "Check": "Condition",
            "Register": "RegisterModel",
            "Missed": "Fail",
        }.items()
    },
}


@pytest.fixture(scope="module")
def lab():
    return offline_lab(ROLE, "demo-bucket", ROOT)


@pytest.fixture(scope="module")
def made(lab):
    """(pipeline, its definition), made where nothing can be reached and no credentials are found."""
    tried = []

    def refuse(self, address, *rest):
        tried.append(address)
        raise OSError("no network here")

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        patch.setattr(socket, "getaddrinfo", lambda *address: refuse(None, address))
        pipeline = make_pipeline(load_module("lab_lib.mlpipelines.training"), lab)
        found = pipeline, definition(pipeline)
    assert tried == []
    return found


@pytest.fixture(scope="module")
def steps(made):
    """{name: the step's raw definition}, those of the branches among them."""
    return {step["Name"]: step for step, _ in drawing._flat(made[1]["Steps"])}


def test_a_definition_needs_no_account_and_no_network(made, steps):
    assert {name: step["Type"] for name, step in steps.items()} == STEPS
    assert parse(json.dumps(made[1])).steps.keys() == STEPS.keys()  # local_aws reads it, and finds no fault


@pytest.mark.slow
def test_the_same_code_gives_the_same_definition(made, lab):
    """Or no step would ever be found in the cache."""
    again = make_pipeline(training, lab)
    assert definition(again) == made[1]
    assert again.sagemaker_session.uploads.keys() == made[0].sagemaker_session.uploads.keys()


def test_other_code_has_another_address(lab, tmp_path):
    session = training.DefinitionSession(lab)
    (tmp_path / "train.py").write_text("a = 1")
    first = session.stage(tmp_path, "train"), session.stage_archive(tmp_path, "train")
    (tmp_path / "train.py").write_text("a = 2")
    assert all(x != y for x, y in zip(first, (session.stage(tmp_path, "train"),), strict=False))
    assert session.stage_archive(tmp_path, "train") != first[1]


def test_the_parameters_of_the_issue(made):
    parameters = {parameter["Name"]: parameter for parameter in made[1]["Parameters"]}
    assert parameters["Framework"]["EnumValues"] == list(FRAMEWORKS)
    assert parameters["ModelApprovalStatus"]["DefaultValue"] == "PendingManualApproval"
    assert parameters["InputData"]["DefaultValue"] == "s3://demo-bucket/sagemaker-e2e-lab/data/raw/"
    assert {
        name: parameters[name]["Type"] for name in ("Epochs", "MinimumMacroF1", "TrainingInstanceCount")
    } == {
        "Epochs": "Integer",
        "MinimumMacroF1": "Float",
        "TrainingInstanceCount": "Integer",
    }
    used = json.dumps(made[1]["Steps"])
    assert all(f'"Parameters.{name}"' in used for name in parameters)  # none is there for show


def test_everything_that_can_be_cached_is(steps):
    cached = {name for name, step in steps.items() if step.get("CacheConfig", {}).get("Enabled")}
    assert cached == {name for name, kind in STEPS.items() if kind in ("Processing", "Training")}


def test_each_upload_is_named_in_the_definition(made):
    """Nothing is uploaded in vain, and every code address of the definition will hold something."""
    pipeline, data = made
    text = json.dumps(data)
    for bucket, key in pipeline.sagemaker_session.uploads:
        folders = [f"s3://{bucket}/{key}"] + [
            f"s3://{bucket}/{'/'.join(key.split('/')[:n])}" for n in range(3, key.count("/") + 1)
        ]
        assert any(f'"{folder}"' in text or f'"{folder}/"' in text for folder in folders), key


def test_uploads_go_to_s3_with_the_lab_s_key(lab, tmp_path):
    put = []
    client = SimpleNamespace(put_object=lambda **request: put.append(request))
    session = training.DefinitionSession(dataclasses.replace(lab, kms_key_id="my-key"))
    (tmp_path / "train.py").write_text("pass")
    uri = session.stage(tmp_path, "train")
    assert session.upload(SimpleNamespace(client=lambda service: client)) == 1
    (request,) = put
    assert f"s3://{request['Bucket']}/{request['Key']}" == uri + "train.py"
    assert (request["Body"], request["SSEKMSKeyId"]) == (b"pass", "my-key")


def test_a_registered_version_is_like_that_of_lab_01(steps, lab):
    """The deployment lab must not be able to tell them apart."""
    asked = {}
    client = SimpleNamespace(
        describe_model_package_group=lambda **_: None,
        create_model_package=lambda **request: asked.update(request) or {"ModelPackageArn": "arn"},
        exceptions=SimpleNamespace(ClientError=ValueError),
    )
    by_hand = SimpleNamespace(
        client=lambda name: client,
        **{n: getattr(lab, n) for n in ("region", "settings", "model_package_group")},
    )
    for framework in FRAMEWORKS:
        made = steps[f"Register{framework.capitalize()}"]["Arguments"]
        specification = made["InferenceSpecification"]
        register_model(
            by_hand,
            framework=framework,
            image_uri=specification["Containers"][0]["Image"],
            model_data_url=specification["Containers"][0]["ModelDataUrl"],
            evaluation_uri=made["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"],
        )
        assert specification == asked["InferenceSpecification"]
        assert made["ModelMetrics"]["ModelQuality"] == asked["ModelMetrics"]["ModelQuality"]
        assert made["ModelPackageDescription"] == asked["ModelPackageDescription"]
        origin = made["CustomerMetadataProperties"]
        assert origin["framework"] == framework
        assert {
            "raw_data",
            "training_data",
            "training_code",
            "training_job",
            "processing_job",
            "evaluation_job",
        } < (origin.keys())
        assert made["MetadataProperties"]["GeneratedBy"] == {"Get": "Execution.PipelineExecutionArn"}


def test_the_commit_of_a_ci_build_is_on_the_version(lab, monkeypatch):
    monkeypatch.setenv("CODEBUILD_RESOLVED_SOURCE_VERSION", "a1b2c3")
    monkeypatch.setenv(
        "CODEBUILD_SOURCE_REPO_URL", "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/build"
    )
    assert training.code_version(lab) == {
        "commit_id": "a1b2c3",
        "repository": "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/build",
    }
    monkeypatch.setenv("CODEBUILD_SOURCE_REPO_URL", "https://user:secret@example.com/build")
    assert training.code_version(lab) == {"commit_id": "a1b2c3"}


@pytest.mark.slow
def test_a_key_and_a_vpc_reach_every_job_and_caching_can_be_switched_off(lab):
    inside = dataclasses.replace(
        lab, kms_key_id="my-key", subnet_ids=["subnet-1"], security_group_ids=["sg-1"]
    )
    pipeline = make_pipeline(training, inside, {"cache_for": None, "name": "nightly"})
    data = definition(pipeline)
    assert pipeline.name == "nightly"
    for step, _ in drawing._flat(data["Steps"]):
        arguments = step["Arguments"]
        assert not step.get("CacheConfig", {}).get("Enabled")
        if step["Type"] == "Training":
            assert arguments["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
            assert arguments["OutputDataConfig"]["KmsKeyId"] == "my-key"
            # an instance with disks of its own takes no key
            assert ("VolumeKmsKeyId" in arguments["ResourceConfig"]) == (step["Name"] == "TrainTensorflow")
        if step["Type"] == "Processing":
            assert arguments["NetworkConfig"]["VpcConfig"]["Subnets"] == ["subnet-1"]
            assert arguments["ProcessingOutputConfig"]["KmsKeyId"] == "my-key"


@pytest.mark.parametrize(
    "given, problem",
    [
        ({"Epoch": 3}, "has no parameter 'Epoch'. It has: Framework, InputData, Epochs"),
        ({"Epochs": "many"}, "Epochs is 'many'; it must be of the type Integer"),
        ({"Epochs": "1.5"}, "must be of the type Integer"),
        ({"Epochs": -1}, "Epochs is -1; it can be 0 to 1000"),
        ({"MinimumMacroF1": "nan"}, "must be of the type Float"),
        ({"MinimumMacroF1": 70}, "it can be 0.0 to 1.0"),
        ({"Framework": "jax"}, "must be one of tensorflow, huggingface"),
        ({"TrainingInstanceCount": 2}, "it can be 1. The script does not divide its work"),
    ],
)
def test_wrong_parameters(made, given, problem):
    with pytest.raises(LabError) as error:
        check_parameters(made[0], given)
    assert problem in str(error.value)


def test_a_pipeline_s_own_parameter_without_a_default_is_asked_for():
    from sagemaker.core.workflow.parameters import ParameterBoolean, ParameterString

    pipeline = SimpleNamespace(
        name="demo", parameters=[ParameterString("Place"), ParameterBoolean("Loud", default_value=False)]
    )
    assert check_parameters(pipeline, {"Place": "here", "Loud": True}) == {"Place": "here", "Loud": "true"}
    with pytest.raises(LabError, match="needs a value for Place"):
        check_parameters(pipeline, {})


def test_the_training_job_hands_over(monkeypatch, tmp_path):
    called = []
    for framework in FRAMEWORKS:
        module = import_module(f"lab_lib.algorithms.training.{framework}")
        monkeypatch.setattr(
            module, "main", lambda arguments, name=framework: called.append((name, arguments))
        )
    monkeypatch.setattr(train_job, "check_hosts", lambda: None)
    train_job.main(["--framework", "tensorflow", "--epochs", "0", "--seed", "7"])
    train_job.main(["--framework", "huggingface", "--epochs", "2"])
    assert called == [("tensorflow", ["--seed", "7"]), ("huggingface", ["--epochs", "2"])]


def test_the_training_job_refuses_a_second_instance(tmp_path):
    file = tmp_path / "resourceconfig.json"
    file.write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
    train_job.check_hosts(file)
    file.write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}))
    with pytest.raises(ValueError, match="this job has 2: set the count to 1"):
        train_job.check_hosts(file)


# --- the drawing


def test_the_graph_of_the_pipeline(made):
    edges = drawing.edges(made[1])
    assert edges["Process", "TrainTensorflow"] == "" and edges["ChooseFramework", "TrainTensorflow"] == "yes"
    assert edges["ChooseFramework", "TrainHuggingface"] == "no"
    assert edges["CheckTensorflow", "MissedTensorflow"] == "no"
    assert ("Process", "EvaluateTensorflow") not in edges  # Train says it already
    places = drawing.places(made[1])
    assert len(set(places.values())) == len(STEPS)
    assert all(places[source][0] < places[target][0] for source, target in edges)


def test_a_drawing_says_what_happened(made):
    states = [
        StepState("Process", "Succeeded", cached_from="arn"),
        StepState("CheckTensorflow", "Succeeded", note="False"),
    ]
    said = [text.get_text() for text in drawing.draw(made[1], states).axes[0].texts]
    assert "Cached" in said and "Succeeded: no" in said and said.count("not executed") == len(STEPS) - 2
    assert drawing.picture(drawing.draw(made[1], states, running=True)).data.startswith(b"\x89PNG")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 8)), min_size=1, max_size=9))
def test_the_drawn_edges_imply_every_dependency(needs):
    """Step n needs some of the steps before it; what is left out of the drawing, a path still shows."""
    wanted = {n: {m for m in before if m < n} for n, before in enumerate(needs)}
    data = {
        "Steps": [
            {"Name": f"S{n}", "Type": "Processing", "Arguments": [{"Get": f"Steps.S{m}.X"} for m in before]}
            for n, before in wanted.items()
        ]
    }

    def closure(pairs):
        found = set(pairs)
        while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
            found |= more
        return found

    drawn = drawing.edges(data)
    assert closure(drawn) == closure((f"S{m}", f"S{n}") for n, before in wanted.items() for m in before)
    for edge in drawn:
        assert edge not in closure(set(drawn) - {edge})  # and no edge is superfluous


def test_a_graph_of_full_layers_is_drawn_in_no_time():
    """As many paths as 4 ** 20: they cannot be tried one by one."""
    layers = [[f"S{layer}-{n}" for n in range(4)] for layer in range(20)]
    steps = [
        {"Name": name, "Type": "Processing", "Arguments": {}, "DependsOn": before}
        for before, layer in zip([[], *layers], layers, strict=False)
        for name in layer
    ]
    assert len(drawing.edges({"Steps": steps})) == 19 * 4 * 4


# --- the commands


def failing(capsys, command, *argv):
    """The one line that the command says on stderr, after exit code 2."""
    assert command(list(argv)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    "command", [commands.get_pipeline_definition, commands.upsert_pipeline, commands.run_pipeline]
)
def test_a_module_that_is_not_there(capsys, command):
    assert "There is no module 'lab_lib.nothing'" in failing(capsys, command, "--module", "lab_lib.nothing")


def test_modules_that_are_no_pipelines(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_pipeline.py").write_text("import a_package_that_is_missing\n")
    (tmp_path / "wordy_pipeline.py").write_text(
        "def get_pipeline(lab):\n    raise ValueError('no such image')\n"
    )
    run = commands.get_pipeline_definition
    assert "has no function get_pipeline" in failing(capsys, run, "--module", "lab_lib.images")
    said = failing(capsys, run, "--module", "broken_pipeline")
    assert "cannot be imported: No module named 'a_package_that_is_missing'" in said
    said = failing(capsys, run, "--module", "wordy_pipeline", "--role-arn", ROLE, "--bucket", "b")
    assert "wordy_pipeline makes no pipeline: no such image" in said


def test_wrong_options(capsys, monkeypatch, lab, made):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(commands, "_lab", lambda options: lab)  # no backend is needed to refuse them
    said = failing(capsys, commands.run_pipeline, "--kwargs", "color=red")
    assert (
        "unexpected keyword argument 'color'" in said
        and "Its options are: name, project_id, cache_for" in said
    )
    monkeypatch.setattr(training, "get_pipeline", lambda lab: made[0])
    assert "no parameter 'Epoch'" in failing(capsys, commands.run_pipeline, "--parameters", "Epoch=1")
    assert "'Epochs' is not NAME=VALUE" in failing(capsys, commands.run_pipeline, "--parameters", "Epochs")
    assert "not valid JSON" in failing(capsys, commands.run_pipeline, "--parameters", "{Epochs: 1}")
    assert "--bucket needs --role-arn" in failing(capsys, commands.get_pipeline_definition, "--bucket", "b")
    with pytest.raises(SystemExit) as stopped:
        commands.run_pipeline(["--parameter", "Epochs=1"])  # no abbreviations: a typing error is one
    assert stopped.value.code == 2


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_says_what_became_of_the_execution(capsys, monkeypatch, lab, made):
    """Before the start, during it, while waiting, after the end, and while it is being stopped."""
    from lab_lib.mlpipelines import execution

    asked = SimpleNamespace(stop_pipeline_execution=lambda **_: None)
    watched = SimpleNamespace(client=lambda service: asked)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(commands, "_lab", lambda options: lab)
    monkeypatch.setattr(commands, "get_lab", lambda **_: watched)
    monkeypatch.setattr(training, "get_pipeline", lambda lab: made[0])
    monkeypatch.setattr(commands, "_upsert", lambda *_: "arn")
    monkeypatch.setattr(execution, "start", lambda *_: "the-arn")
    monkeypatch.setattr(execution, "outcome", lambda *_: ("Failed", "no"))

    def said(command, *argv):
        assert command(list(argv)) == 130
        return capsys.readouterr().err.strip()

    with monkeypatch.context() as now:
        now.setattr(commands, "_upsert", interrupt)
        assert said(commands.run_pipeline) == "Interrupted before anything was started."
    with monkeypatch.context() as now:
        now.setattr(execution, "start", interrupt)
        assert "it may run. To see: aws sagemaker list-pipeline-executions" in said(commands.run_pipeline)
    with monkeypatch.context() as now:
        now.setattr(execution, "changes", interrupt)
        assert said(commands.run_pipeline) == "The execution goes on. To stop it: stop-pipeline the-arn"
        assert said(commands.stop_pipeline, "the-arn").startswith("The execution is being stopped, but")
    with monkeypatch.context() as now:
        now.setattr(execution, "changes", lambda *_: iter(()))
        now.setattr(commands, "_explain", interrupt)
        assert said(commands.run_pipeline) == "The execution is Failed"


@pytest.mark.slow
def test_nobody_reads_what_run_pipeline_prints(tmp_path):
    """As `run-pipeline … | head` does it; in a process of its own, whose output is a pipe."""
    code = """
from lab_lib.mlpipelines import commands, execution
execution.changes = lambda *_: iter([[execution.StepState("Train", "Executing")]] * 2)
raise SystemExit(commands._wait(None, "the-arn"))
"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "The execution goes on, but nobody reads about it. To stop it: stop-pipeline the-arn\n"
    )


def test_no_credentials(capsys, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("LAB_BACKEND", "aws")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    said = failing(capsys, commands.run_pipeline, "--parameters", "Epochs=1")
    assert "No usable AWS credentials" in said and "aws configure" in said


def test_names_and_values_in_three_forms(tmp_path):
    (tmp_path / "parameters.json").write_text('{"Epochs": 1, "Framework": "tensorflow"}')
    expected = {"Epochs": 1, "Framework": "tensorflow"}
    assert commands.pairs([f"@{tmp_path / 'parameters.json'}"], "--parameters") == expected
    assert commands.pairs(['{"Epochs": 1, "Framework": "tensorflow"}'], "--parameters") == expected
    listed = '[{"Name": "Epochs", "Value": 1}, {"Name": "Framework", "Value": "tensorflow"}]'
    assert commands.pairs([listed], "--parameters") == expected
    assert commands.pairs(["A=s3://b/k?x=1", "B="], "--parameters") == {"A": "s3://b/k?x=1", "B": ""}
    for wrong in ("[1]", "[]x", '["A"]', "{}x"):
        with pytest.raises(LabError):
            commands.pairs([wrong], "--parameters")


def test_the_commands_are_installed():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ("get-pipeline-definition", "upsert-pipeline", "run-pipeline", "stop-pipeline"):
        module, function = scripts[name].split(":")
        assert callable(getattr(import_module(module), function))


@pytest.mark.slow
def test_the_command_sends_no_packet(tmp_path):
    """`get-pipeline-definition` in a network of its own, as a process without credentials."""
    prefix = net_namespace()
    if prefix is None:
        pytest.skip("this machine gives no network namespaces")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "HOME": str(tmp_path)
    }
    code = "import sys; from lab_lib.mlpipelines.commands import get_pipeline_definition as f; sys.exit(f())"
    command = [
        sys.executable,
        "-c",
        code,
        "--role-arn",
        ROLE,
        "--bucket",
        "b",
        "--output",
        tmp_path / "pipeline.json",
    ]
    watched = [
        *prefix,
        sys.executable,
        ROOT / "tests/notebooks/no_network.py",
        tmp_path / "packets.json",
        *command,
    ]
    done = subprocess.run(watched, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((tmp_path / "packets.json").read_text()) == []
    assert len(json.loads((tmp_path / "pipeline.json").read_text())["Steps"]) == 4
