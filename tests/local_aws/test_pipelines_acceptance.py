"""What users of SageMaker's own local pipelines asked for in public: one test each, with the SDK's classes as
they are."""

import pytest
from pipeline_sdk import SdkProcess

from local_aws.config import DUMMY_ACCESS_KEY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]  # importing the SDK alone takes seconds


@pytest.fixture(scope="module")
def sdk(server, tmp_path_factory):
    process = SdkProcess(server, tmp_path_factory.mktemp("sdk"))
    yield process
    process.close()


REGISTER = """
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics

least = ParameterFloat("LeastF1", default_value=0.7)
score = ParameterFloat("Score", default_value=0.8)
train = training_step(score=score)
artifact = train.properties.ModelArtifacts.S3ModelArtifacts
report = PropertyFile(name="Report", output_name="report", path="evaluation.json")
evaluate = evaluation_step(artifact, report)
found = JsonGet(step_name="Evaluate", property_file=report, json_path="metrics.macro_f1.value")
metrics = ModelMetrics(model_statistics=MetricsSource(
    s3_uri=Join(on="/", values=[evaluate.properties.ProcessingOutputConfig.Outputs["report"].S3Output.S3Uri,
                                "evaluation.json"]), content_type="application/json"))
builder = ModelBuilder(image_uri=IMAGE, s3_model_data_url=artifact, role_arn=role, sagemaker_session=session)
register = ModelStep(name="Register", step_args=builder.register(
    model_package_group_name="acceptance", content_types=["application/json"], response_types=["application/json"],
    inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"], model_metrics=metrics,
    approval_status="PendingManualApproval", customer_metadata_properties={"framework": "tested"}))
missed = FailStep(name="Missed", error_message=Join(on=" ", values=["macro-F1", found, "is below", least]))
check = ConditionStep(name="Check", conditions=[ConditionGreaterThanOrEqualTo(left=found, right=least)],
                      if_steps=[register], else_steps=[missed])
pipeline = Pipeline(name="Registers", parameters=[least, score], steps=[train, evaluate, check],
                    sagemaker_session=session)
steps = finish(pipeline)
version = sm.describe_model_package(ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"])
job = sm.describe_training_job(TrainingJobName=steps["Train"]["Metadata"]["TrainingJob"]["Arn"].split("/")[1])
assert version["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == job["ModelArtifacts"]["S3ModelArtifacts"]
uri = version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
assert json.load(s3.get_object(Bucket=bucket, Key=uri.split("/", 3)[3])["Body"])["metrics"]["macro_f1"]["value"] == 0.8
assert version["MetadataProperties"]["GeneratedBy"] == finish.execution.arn
assert version["CustomerMetadataProperties"] == {"framework": "tested"}
assert version["ModelApprovalStatus"] == "PendingManualApproval"
steps = finish(pipeline, "Failed", parameters={"Score": 0.25})
assert finish.execution.describe()["FailureReason"] == "macro-F1 0.25 is below 0.7"
assert "Register" not in steps
"""


def test_register_model_in_a_local_pipeline(sdk):
    sdk.run(REGISTER)


METRIC = """
score = ParameterFloat("Score", default_value=0.75)
train = training_step(score=score)
value = train.properties.FinalMetricDataList["validation:f1"].Value
check = ConditionStep(name="Check", conditions=[ConditionGreaterThan(left=value, right=0.5)], if_steps=[],
                      else_steps=[FailStep(name="Low", error_message=Join(on=" ", values=["only", value]))])
pipeline = Pipeline(name="OnAMetric", parameters=[score], steps=[train, check], sagemaker_session=session)
assert finish(pipeline)["Check"]["Metadata"]["Condition"]["Outcome"] == "True"
steps = finish(pipeline, "Failed", parameters={"Score": 0.25})
assert steps["Low"]["FailureReason"] == "only 0.25", steps
"""


def test_a_condition_on_a_training_jobs_final_metric_data_list(sdk):
    sdk.run(METRIC)


REPACK = """
from sagemaker.serve.model_builder import ModelBuilder
import io, tarfile

train = training_step(score=0.5)
builder = ModelBuilder(image_uri=IMAGE, s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
                       role_arn=role, sagemaker_session=session,
                       source_code=SourceCode(source_dir=SOURCE + "/serve", entry_script="inference.py"))
register = ModelStep(name="Register", step_args=builder.register(
    model_package_group_name="repacked", content_types=["application/json"], response_types=["application/json"],
    inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"]))
steps = finish(Pipeline(name="Repacks", steps=[train, register], sagemaker_session=session))
(repack,) = [name for name in steps if "RepackModel" in name]
version = sm.describe_model_package(ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"])
(container,) = version["InferenceSpecification"]["Containers"]
job = sm.describe_training_job(TrainingJobName=steps[repack]["Metadata"]["TrainingJob"]["Arn"].split("/")[1])
assert container["ModelDataUrl"] == job["ModelArtifacts"]["S3ModelArtifacts"], container
home, key = container["ModelDataUrl"][5:].split("/", 1)
with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=home, Key=key)["Body"].read())) as tar:
    names = [name.removeprefix("./") for name in tar.getnames()]
assert "model.json" in names and "code/inference.py" in names, names
"""


def test_a_model_step_with_its_repack_step(sdk):
    sdk.run(REPACK)


MODEL = """
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.core.transformer import Transformer

train = training_step(score=0.5)
builder = ModelBuilder(image_uri=IMAGE, s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
                       role_arn=role, sagemaker_session=session,
                       source_code=SourceCode(source_dir=SOURCE + "/serve", entry_script="inference.py"))
model = ModelStep(name="Model", step_args=builder.build())
s3.put_object(Bucket=bucket, Key="pipe/batch/in.json", Body=b'[1]')
transformer = Transformer(model_name=model.properties.ModelName, instance_count=1, instance_type="ml.m5.large",
                          output_path=f"s3://{bucket}/pipe/scored", accept="application/json",
                          sagemaker_session=session)
score = TransformStep(name="Score", step_args=transformer.transform(f"s3://{bucket}/pipe/batch/",
                                                                    content_type="application/json"))
tell = FailStep(name="Tell", error_message=Join(on=" ", values=[
    "made", model.properties.ModelName, "of", model.properties.PrimaryContainer.ModelDataUrl, "into",
    score.properties.TransformOutput.S3OutputPath]))
steps = finish(Pipeline(name="Refers", steps=[train, model, score, tell], sagemaker_session=session), "Failed")
assert steps["Score"]["StepStatus"] == "Succeeded", steps
made = sm.describe_model(ModelName=steps["Model"]["Metadata"]["Model"]["Arn"].split("/")[1])
assert steps["Tell"]["FailureReason"] == (
    f"made {made['ModelName']} of {made['PrimaryContainer']['ModelDataUrl']} into s3://{bucket}/pipe/scored")
job = sm.describe_transform_job(TransformJobName=steps["Score"]["Metadata"]["TransformJob"]["Arn"].split("/")[1])
assert job["ModelName"] == made["ModelName"]
assert json.load(s3.get_object(Bucket=bucket, Key="pipe/scored/in.json.out")["Body"]) == [0.5]
"""


def test_referring_to_a_model_that_an_earlier_step_made(sdk):
    sdk.run(MODEL)


LAMBDA = """
from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep
from sagemaker.core.lambda_helper import Lambda

script = SOURCE + "/handler.py"
with open(script, "w") as file:
    file.write("def handle(event, context):\\n")
    file.write("    return {'doubled': event['n'] * 2, 'word': event['run'][-12:]}\\n")
number = ParameterInteger("Number", default_value=21)
doubled = LambdaOutput(output_name="doubled", output_type=LambdaOutputTypeEnum.Integer)
word = LambdaOutput(output_name="word", output_type=LambdaOutputTypeEnum.String)
step = LambdaStep(name="Double", inputs={"n": number, "run": ExecutionVariables.PIPELINE_EXECUTION_ARN},
                  outputs=[doubled, word],
                  lambda_func=Lambda(function_name="doubles", execution_role_arn=role, script=script,
                                     handler="handler.handle", session=session, runtime="python3.12"))
value = step.properties.Outputs["doubled"]
check = ConditionStep(name="Check", conditions=[ConditionEquals(left=value, right=42)], if_steps=[],
                      else_steps=[FailStep(name="Wrong", error_message=Join(on="", values=["got ", value]))])
pipeline = Pipeline(name="Calls", parameters=[number], steps=[step, check], sagemaker_session=session)
steps = finish(pipeline)
said = {o["Name"]: o["Value"] for o in steps["Double"]["Metadata"]["Lambda"]["OutputParameters"]}
assert said == {"doubled": "42", "word": finish.execution.arn.rsplit("/", 1)[1]}, said
assert finish(pipeline, "Failed", parameters={"Number": 2})["Wrong"]["FailureReason"] == "got 4"
"""


def test_a_lambda_step(sdk):
    sdk.run(LAMBDA)


TUNE = """
from sagemaker.train.tuner import ContinuousParameter, HyperparameterTuner
from sagemaker.serve.model_builder import ModelBuilder

tuner = HyperparameterTuner(model_trainer=trainer(), objective_metric_name="validation:f1", max_jobs=2,
                            max_parallel_jobs=2, hyperparameter_ranges={"score": ContinuousParameter(0.2, 0.9)},
                            metric_definitions=[{"Name": "validation:f1", "Regex": "f1=([0-9.]+)"}])
data = [InputData(channel_name="train", data_source=f"s3://{bucket}/pipe/train/")]
tune = TuningStep(name="Tune", step_args=tuner.tune(inputs=data))
best = tune.get_top_model_s3_uri(top_k=0, s3_bucket=bucket, prefix="sdk")
name = tune.properties.BestTrainingJob.TrainingJobName
tell = FailStep(name="Tell", error_message=Join(on=" ", values=[name, best]))
steps = finish(Pipeline(name="Tunes", steps=[tune, tell], sagemaker_session=session), "Failed")
assert steps["Tune"]["StepStatus"] == "Succeeded", steps
job = steps["Tune"]["Metadata"]["TuningJob"]["Arn"].split("/")[1]
answer = sm.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
winner = answer["BestTrainingJob"]["TrainingJobName"]
assert steps["Tell"]["FailureReason"].startswith(winner + " s3://"), steps["Tell"]
assert f"/{winner}/output/model.tar.gz" in steps["Tell"]["FailureReason"]
"""


def test_a_tuning_step(sdk):
    sdk.run(TUNE)


FUNCTION = """
from sagemaker.mlops.workflow.function_step import step

@step(name="Add", image_uri=IMAGE, instance_type="ml.m5.large", role=role)
def add(a, b):
    return {"sum": a + b}

added = add(1, 2)
check = ConditionStep(name="Check", conditions=[ConditionEquals(left=added["sum"], right=3)], if_steps=[],
                      else_steps=[])
steps = finish(Pipeline(name="Decorated", steps=[check], sagemaker_session=session))
assert finish.execution.result("Add") == {"sum": 3}
assert steps["Check"]["Metadata"]["Condition"]["Outcome"] == "True"
"""


def test_a_decorated_function_and_a_condition_on_its_result(sdk):
    sdk.run(FUNCTION)


CUT = """
import os, socket
assert not [name for name in os.environ if name.startswith("AWS_")]
tried, connect, look_up = [], socket.socket.connect, socket.getaddrinfo

def guarded(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        tried.append(address)
        raise OSError("no network")
    return connect(self, address)

def resolve(host, *rest, **more):
    if host not in ("127.0.0.1", "localhost", "::1", None):
        tried.append(host)
        raise socket.gaierror("no network")
    return look_up(host, *rest, **more)

socket.socket.connect, socket.getaddrinfo = guarded, resolve
"""

DEFINE = """
from sagemaker.serve.model_builder import ModelBuilder

train = training_step(score=0.5)
report = PropertyFile(name="Report", output_name="report", path="evaluation.json")
evaluate = evaluation_step(train.properties.ModelArtifacts.S3ModelArtifacts, report)
builder = ModelBuilder(image_uri=IMAGE, s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
                       role_arn=role, sagemaker_session=session)
register = ModelStep(name="Register", step_args=builder.register(
    model_package_group_name="offline", content_types=["application/json"], response_types=["application/json"],
    inference_instances=["ml.m5.large"], transform_instances=["ml.m5.large"]), depends_on=[evaluate])
made = json.loads(Pipeline(name="Offline", steps=[train, evaluate, register], sagemaker_session=session).definition())
assert sorted(step["Name"] for step in made["Steps"]) == ["Evaluate", "Register", "Train"]
assert not tried, tried
import boto3
assert boto3.Session().get_credentials().access_key.startswith(DUMMY)
"""


def test_making_a_definition_with_no_credentials_and_no_network(server, tmp_path):
    home = {"HOME": str(tmp_path)}  # no configuration, no credentials file
    process = SdkProcess(server, tmp_path, before=CUT, environment=home)
    try:
        process.run(f"DUMMY = {DUMMY_ACCESS_KEY!r}\n" + DEFINE)
    finally:
        process.close()


OTHERS = """
from sagemaker.mlops.workflow.callback_step import CallbackOutput, CallbackOutputTypeEnum, CallbackStep
from sagemaker.mlops.workflow.check_job_config import CheckJobConfig
from sagemaker.mlops.workflow.clarify_check_step import *
from sagemaker.mlops.workflow.cleanup_step import CleanupStep
from sagemaker.mlops.workflow.emr_step import EMRStep, EMRStepConfig
from sagemaker.mlops.workflow.for_each_step import CurrentItem, ForEachStep
from sagemaker.mlops.workflow.pipeline_experiment_config import PipelineExperimentConfigProperties
from sagemaker.mlops.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep
from sagemaker.mlops.workflow.retry import *
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition

tell = FailStep(name="Tell", error_message=Join(on=" ", values=[
    PipelineExperimentConfigProperties.EXPERIMENT_NAME, ExecutionVariables.PIPELINE_NAME]))
callback = CallbackStep(name="Callback", sqs_queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/q",
                        inputs={"run": ExecutionVariables.PIPELINE_EXECUTION_ID},
                        outputs=[CallbackOutput(output_name="o", output_type=CallbackOutputTypeEnum.String)])
emr = EMRStep(name="Emr", display_name="e", description="d", cluster_id="j-1",
              step_config=EMRStepConfig(jar="s3://b/x.jar", args=["--x"]), depends_on=[callback])
job = CheckJobConfig(role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session)
quality = QualityCheckStep(name="Quality", check_job_config=job, skip_check=False, quality_check_config=
    DataQualityCheckConfig(baseline_dataset=f"s3://{bucket}/pipe/train/train.csv", output_s3_uri=f"s3://{bucket}/quality",
                           dataset_format={"csv": {"header": True}}))
each = ForEachStep(name="Each", iterable_items=[1, 2], max_concurrency=1, for_each_body=[
    CallbackStep(name="Inner", sqs_queue_url="https://q", inputs={"item": CurrentItem()}, outputs=[])])
train = training_step("Train", score=0.5)
train.add_retry_policy(SageMakerJobStepRetryPolicy(
    exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT], max_attempts=3, interval_seconds=1))
train.add_retry_policy(StepRetryPolicy(exception_types=[StepExceptionTypeEnum.THROTTLING], expire_after_mins=5))
notify = FailStep(name="Notify", depends_on=[StepDependency(train, TriggerCondition.FAILED)])
value = train.properties.TrainingJobStatus
nested = ConditionStep(name="Nested", conditions=[
    ConditionOr([ConditionNot(ConditionEquals(left=value, right="Completed")),
                 ConditionIn(value=value, in_values=["Failed", "Completed"])]),
    ConditionLessThan(left=1, right=2), ConditionLessThanOrEqualTo(left=1, right=2),
    ConditionGreaterThan(left=2, right=1)], if_steps=[], else_steps=[FailStep(name="Never")])
pipeline = Pipeline(name="Others", steps=[tell, callback, emr, quality, each, train, notify, nested],
                    sagemaker_session=session)
pipeline.upsert(role_arn=role, tags=[{"Key": "a", "Value": "1"}])
pipeline.upsert(role_arn=role, tags=[{"Key": "b", "Value": "2"}])
arn = pipeline.describe()["PipelineArn"]
assert {t["Key"] for t in sm.list_tags(ResourceArn=arn)["Tags"]} >= {"a", "b"}
try:
    pipeline.start()
    raise AssertionError("it started")
except sm.exceptions.ClientError as error:
    message = error.response["Error"]["Message"]
for named in ("'Emr' (EMR)", "'Quality' (QualityCheck)", "'Each' (ForEach)"):
    assert named in message, message
pipeline = Pipeline(name="OthersThatRun", steps=[train, notify, nested], sagemaker_session=session)
steps = finish(pipeline)
assert steps["Nested"]["Metadata"]["Condition"]["Outcome"] == "True" and set(steps) == {"Train", "Nested"}
steps = finish(Pipeline(name="OthersTell", steps=[tell], sagemaker_session=session), "Failed")
assert steps["Tell"]["FailureReason"] == "OthersTell OthersTell"
"""


def test_every_other_step_class_is_run_or_refused_by_name(sdk):
    sdk.run(OTHERS)
