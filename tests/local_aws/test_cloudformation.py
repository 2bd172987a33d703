"""Stacks deployed for real: created, updated, rolled back, deleted, through the API that tools use."""

import json
import os
import signal
import time
import uuid
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from servers import clients_of, running_server

PARAMETER = "AWS::SSM::Parameter"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = {"Version": "2012-10-17", "Statement": [LAMBDA]}
FUNCTION = """
import json, time
import cfnresponse
def handler(event, context):
    wanted = event["ResourceProperties"]
    time.sleep(float(wanted.get("Sleep", 0)))
    if wanted.get("Crash") == event["RequestType"]:
        raise RuntimeError("crashed on purpose")
    status = cfnresponse.FAILED if wanted.get("Fail") == event["RequestType"] else cfnresponse.SUCCESS
    data = {"Echo": json.dumps(wanted, sort_keys=True)}
    cfnresponse.send(event, context, status, data, wanted["Id"], reason="on purpose")
"""


def ssm(value, **more):
    properties = {"Type": "String", "Value": value, **more.pop("properties", {})}
    return {"Type": PARAMETER, "Properties": properties, **more}


class Stacks:
    """Deploys templates under names of their own, and waits for them."""

    def __init__(self, aws):
        self.aws, self.api = aws, aws.cloudformation
        self.made = []

    def name(self):
        return f"s{uuid.uuid4().hex[:8]}"

    def arguments(self, template, parameters, options):
        if isinstance(template, dict):
            template = json.dumps(template if "Resources" in template else {"Resources": template})
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        return {"TemplateBody": template, "Parameters": given, **options}

    def create(self, template, name=None, parameters=None, wait=True, **options):
        """The stack as DescribeStacks shows it when nothing moves any more."""
        name = name or self.name()
        request = self.arguments(template, parameters or {}, options)
        stack_id = self.api.create_stack(StackName=name, **request)["StackId"]
        self.made.append(stack_id)
        return self.settled(stack_id) if wait else self.show(stack_id)

    def update(self, stack, template, parameters=None, **options):
        self.api.update_stack(
            StackName=stack["StackId"], **self.arguments(template, parameters or {}, options)
        )
        return self.settled(stack["StackId"])

    def delete(self, stack, **options):
        self.api.delete_stack(StackName=stack["StackId"], **options)
        return self.settled(stack["StackId"])

    def show(self, stack_id):
        return self.api.describe_stacks(StackName=stack_id)["Stacks"][0]

    def settled(self, stack_id, seconds=60):
        deadline = time.monotonic() + seconds
        while (stack := self.show(stack_id))["StackStatus"].endswith("_IN_PROGRESS"):
            assert time.monotonic() < deadline, stack
            time.sleep(0.02)
        return stack

    def events(self, stack):
        """(logical id, status, reason) of each event, the oldest first."""
        events = self.api.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", "")) for e in events
        ][::-1]

    def reason(self, stack, logical_id):
        """Why a resource failed, the last time that it did."""
        failed = [r for n, s, r in self.events(stack) if n == logical_id and s.endswith("_FAILED")]
        return failed[-1]

    def resources(self, stack):
        found = self.api.list_stack_resources(StackName=stack["StackId"])["StackResourceSummaries"]
        return {
            item["LogicalResourceId"]: SimpleNamespace(
                id=item.get("PhysicalResourceId"), status=item["ResourceStatus"]
            )
            for item in found
        }

    def outputs(self, stack):
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def refused(self, operation, **arguments):
        with pytest.raises(ClientError) as error:
            getattr(self.api, operation)(**arguments)
        answer = error.value.response["Error"]
        return answer["Code"], answer["Message"]

    def value(self, name):
        return self.aws.ssm.get_parameter(Name=name)["Parameter"]["Value"]

    def missing(self, name):
        with pytest.raises(self.aws.ssm.exceptions.ParameterNotFound):
            self.aws.ssm.get_parameter(Name=name)
        return True


@pytest.fixture
def stacks(aws):
    """Deletes what a test left."""
    found = Stacks(aws)
    yield found
    for stack_id in reversed(found.made):
        if found.show(stack_id)["StackStatus"] != "DELETE_COMPLETE":
            found.settled(stack_id)
            found.api.delete_stack(StackName=stack_id, DeletionMode="FORCE_DELETE_STACK")
            found.settled(stack_id)


LAYERS = """
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
Resources:
  Base:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !If [Prod, big, small]}
  OnlyProd:
    Type: AWS::SSM::Parameter
    Condition: Prod
    Properties: {Type: String, Value: !Ref Base}
  Top:
    Type: AWS::SSM::Parameter
    Properties:
      Name: !Sub "/${AWS::StackName}/top"
      Type: String
      Value: !Join ["|", [!GetAtt Base.Value, !Ref "AWS::Region", !Ref "AWS::AccountId"]]
      Description: !If [Prod, for production, !Ref "AWS::NoValue"]
Outputs:
  Top: {Value: !Ref Top, Description: its name}
  Extra: {Condition: Prod, Value: !Ref OnlyProd}
"""


def test_a_stack_from_its_birth_to_its_end(stacks):
    name = stacks.name()
    stack = stacks.create(LAYERS, name)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.outputs(stack) == {"Top": f"/{name}/top"}
    assert stacks.value(f"/{name}/top") == "small|us-east-1|123456789012"
    assert set(stacks.resources(stack)) == {"Base", "Top"}
    assert [e[:2] for e in stacks.events(stack) if e[2] != "Resource creation Initiated"] == [
        (name, "CREATE_IN_PROGRESS"),
        ("Base", "CREATE_IN_PROGRESS"),
        ("Base", "CREATE_COMPLETE"),
        ("Top", "CREATE_IN_PROGRESS"),
        ("Top", "CREATE_COMPLETE"),
        (name, "CREATE_COMPLETE"),
    ]
    same = {"StackName": name, "UsePreviousTemplate": True}
    assert stacks.refused("update_stack", **same) == ("ValidationError", "No updates are to be performed.")

    stack = stacks.update(stack, LAYERS, {"Stage": "prod"})
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.value(f"/{name}/top").startswith("big|")
    assert set(stacks.resources(stack)) == {"Base", "Top", "OnlyProd"}
    extra = stacks.outputs(stack)["Extra"]

    stack = stacks.update(stack, LAYERS, {"Stage": "dev"})
    assert set(stacks.resources(stack)) == {"Base", "Top"}
    assert stacks.missing(extra)

    gone = stacks.delete(stack)
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.missing(f"/{name}/top")
    assert stacks.refused("describe_stacks", StackName=name) == (
        "ValidationError",
        f"Stack with id {name} does not exist",
    )
    assert stacks.create(LAYERS, name)["StackId"] != stack["StackId"]


def test_a_failure_rolls_back_clean_and_says_why(stacks, aws):
    name = stacks.name()
    aws.ssm.put_parameter(Name=f"/{name}/taken", Value="mine", Type="String")
    broken = {
        "First": ssm("x", properties={"Name": f"/{name}/first"}),
        "Second": ssm("y", properties={"Name": f"/{name}/taken"}, DependsOn="First"),
        "Third": ssm("z", properties={"Name": f"/{name}/third"}, DependsOn="Second"),
    }
    stack = stacks.create(broken, name)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.events(stack)
    assert "ParameterAlreadyExists" in stacks.reason(stack, "Second")
    why = "The following resource(s) failed to create: [Second]. Rollback requested by user."
    assert (name, "ROLLBACK_IN_PROGRESS", why) in events
    assert ("First", "DELETE_COMPLETE", "") in events
    assert "Third" not in {event[0] for event in events}
    assert stacks.missing(f"/{name}/first")
    assert stacks.value(f"/{name}/taken") == "mine"
    assert stacks.refused("update_stack", StackName=name, UsePreviousTemplate=True)[1] == (
        f"Stack:{stack['StackId']} is in ROLLBACK_COMPLETE state and can not be updated."
    )
    stacks.delete(stack)
    del broken["Second"], broken["Third"]["DependsOn"]
    assert stacks.create(broken, name)["StackStatus"] == "CREATE_COMPLETE"


def test_what_is_refused_at_once_leaves_nothing(stacks):
    def refused(template, **options):
        name = stacks.name()
        parameters = options.pop("parameters", {})
        code, message = stacks.refused(
            "create_stack", StackName=name, **stacks.arguments(template, parameters, options)
        )
        assert stacks.refused("describe_stacks", StackName=name)[0] == "ValidationError"
        return code, message

    circle = {"A": ssm({"Ref": "B"}), "B": ssm({"Ref": "A"})}
    assert refused(circle) == ("ValidationError", "Circular dependency between resources: [A, B]")
    code, message = refused({"A": {"Type": "AWS::EC2::Instance", "Properties": {}}, "B": ssm("x")})
    assert code == "ValidationError"
    assert message.startswith("Template format error: Unrecognized resource types: [AWS::EC2::Instance]")
    declared = {"Parameters": {"Needed": {"Type": "String"}}, "Resources": {"A": ssm({"Ref": "Needed"})}}
    assert refused(declared) == ("ValidationError", "Parameters: [Needed] must have values")
    role = {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}}
    assert refused(role) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
    absent = "arn:aws:iam::123456789012:role/nobody"
    assert refused({"A": ssm("x")}, RoleARN=absent)[1] == f"Role {absent} is invalid or cannot be assumed"
    from_store = {
        "Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>"}},
        "Resources": {"A": ssm("x")},
    }
    assert refused(from_store, parameters={"P": "/not/there"})[1] == (
        "Unable to fetch parameters [/not/there] from parameter store for this account."
    )
    stacks.aws.ssm.put_parameter(Name="/secure", Value="x", Type="SecureString", Overwrite=True)
    assert (
        "[/secure] referenced by template have types not"
        in refused(from_store, parameters={"P": "/secure"})[1]
    )
    assert "StackPolicyBody is not emulated" in refused({"A": ssm("x")}, StackPolicyBody="{}")[1]
    assert (
        stacks.refused("set_stack_policy", StackName="x", StackPolicyBody="{}")[0] == "UnsupportedOperation"
    )


def test_a_property_that_is_none_fails_with_its_name(stacks):
    stack = stacks.create({"A": ssm("x", properties={"Vale": "y"})})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "extraneous key [Vale] is not permitted" in stacks.reason(stack, "A")
    stack = stacks.create({"A": ssm("x", properties={"Policies": "[]"})})
    assert "does not emulate the property Policies of AWS::SSM::Parameter" in stacks.reason(stack, "A")


@pytest.mark.slow
def test_an_update_that_fails_restores_what_was(stacks):
    name = stacks.name()
    old = {
        "Changed": ssm("old", properties={"Name": f"/{name}/changed", "Description": "before"}),
        "Replaced": ssm("old", properties={"Name": f"/{name}/replaced"}),
        "Follower": ssm({"Ref": "Replaced"}),
        "Removed": ssm("old", properties={"Name": f"/{name}/removed"}),
    }
    stack = stacks.create(old, name, Tags=[{"Key": "Team", "Value": "old"}])
    before = stacks.resources(stack)
    new = {
        "Changed": ssm("new", properties={"Name": f"/{name}/changed"}),
        "Replaced": ssm("old", properties={"Name": f"/{name}/replaced-new"}),
        "Follower": ssm({"Ref": "Replaced"}),
        "Added": ssm("new", properties={"Name": f"/{name}/added"}),
        "Broken": ssm("{{resolve:ssm:/not/there}}", DependsOn=["Changed", "Follower", "Added"]),
    }
    stack = stacks.update(stack, new, Tags=[{"Key": "Team", "Value": "new"}])
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.reason(stack, "Broken") == "Parameters: [ssm:/not/there] cannot be found."
    assert {n: r.id for n, r in stacks.resources(stack).items()} == {n: r.id for n, r in before.items()}
    assert stacks.value(f"/{name}/changed") == "old"
    assert stacks.value(before["Follower"].id) == f"/{name}/replaced"
    assert stacks.value(f"/{name}/removed") == "old"
    assert stacks.missing(f"/{name}/added") and stacks.missing(f"/{name}/replaced-new")
    assert stack["Tags"] == [{"Key": "Team", "Value": "old"}]
    tags = stacks.aws.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"/{name}/changed")
    assert tags["TagList"] == [{"Key": "Team", "Value": "old"}]
    assert stacks.api.get_template(StackName=name)["TemplateBody"] == {"Resources": old}

    del new["Broken"]
    stack = stacks.update(stack, new)
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.value(before["Follower"].id) == f"/{name}/replaced-new"
    assert stacks.missing(f"/{name}/replaced") and stacks.missing(f"/{name}/removed")


@pytest.mark.slow
def test_a_custom_name_and_a_replacement_do_not_go_together(stacks):
    name = stacks.name()

    def role(path, **more):
        return {
            "Type": "AWS::IAM::Role",
            "Properties": {"Path": path, "AssumeRolePolicyDocument": TRUST, **more},
        }

    named = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
    stack = stacks.create({"R": role("/a/", RoleName=name), "Free": role("/a/")}, **named)
    before = stacks.resources(stack)
    stack = stacks.update(stack, {"R": role("/b/", RoleName=name), "Free": role("/a/")}, **named)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.reason(stack, "R") == (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
        f"{name} and update the stack again."
    )
    stack = stacks.update(stack, {"R": role("/a/", RoleName=name), "Free": role("/b/")}, **named)
    after = stacks.resources(stack)
    assert (stack["StackStatus"], after["R"].id) == ("UPDATE_COMPLETE", name)
    assert after["Free"].id != before["Free"].id
    roles = {r["RoleName"]: r["Path"] for r in stacks.aws.iam.list_roles()["Roles"]}
    assert roles[after["Free"].id] == "/b/" and before["Free"].id not in roles


def test_a_resource_does_not_change_its_type(stacks):
    stack = stacks.create({"F": ssm("x")})
    other = {"Resources": {"F": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}}
    code, message = stacks.refused("update_stack", StackName=stack["StackId"], TemplateBody=json.dumps(other))
    assert message.startswith("Update of resource type is not permitted.") and message.endswith("[F]")


def test_change_sets_as_cloudformation_deploy_uses_them(stacks):
    name, api = stacks.name(), stacks.api
    request = {"StackName": name, "TemplateBody": LAYERS, "Tags": [{"Key": "a", "Value": "b"}]}
    made = api.create_change_set(ChangeSetName="first", ChangeSetType="CREATE", **request)
    stacks.made.append(made["StackId"])
    assert stacks.show(name)["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert stacks.resources(stacks.show(name)) == {}
    api.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"], WaiterConfig={"Delay": 1})
    found = api.describe_change_set(ChangeSetName="first", StackName=name)
    assert [c["ResourceChange"]["Action"] for c in found["Changes"]] == ["Add", "Add"]
    api.execute_change_set(ChangeSetName=made["Id"])
    stack = stacks.settled(made["StackId"])
    assert (stack["StackStatus"], stack["ChangeSetId"]) == ("CREATE_COMPLETE", made["Id"])

    nothing = api.create_change_set(ChangeSetName="same", **request)
    found = api.describe_change_set(ChangeSetName=nothing["Id"])
    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert found["StatusReason"].startswith("The submitted information didn't contain changes.")
    code, message = stacks.refused("execute_change_set", ChangeSetName=nothing["Id"])
    assert (code, message.endswith("current status of [FAILED]")) == ("InvalidChangeSetStatus", True)

    parameters = [{"ParameterKey": "Stage", "ParameterValue": "prod"}]
    api.create_change_set(ChangeSetName="prod", Parameters=parameters, **request)
    changes = api.describe_change_set(ChangeSetName="prod", StackName=name)["Changes"]
    brief = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in changes}
    assert {k: (c["Action"], c.get("Replacement")) for k, c in brief.items()} == {
        "Base": ("Modify", "False"),
        "OnlyProd": ("Add", None),
        "Top": ("Modify", "False"),
    }
    assert stacks.value(f"/{name}/top").startswith("small")  # nothing happened yet
    api.execute_change_set(ChangeSetName="prod", StackName=name)
    assert stacks.settled(made["StackId"])["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.value(f"/{name}/top").startswith("big")
    assert {s["ChangeSetName"] for s in api.list_change_sets(StackName=name)["Summaries"]} == {"prod"}
    assert (
        stacks.refused("describe_change_set", ChangeSetName="same", StackName=name)[0] == "ChangeSetNotFound"
    )


@pytest.mark.slow
def test_exports_tie_stacks_together(stacks):
    export = f"shared-{stacks.name()}"

    def exporting(value):
        return {
            "Resources": {"A": ssm(value)},
            "Outputs": {"O": {"Value": value, "Export": {"Name": export}}},
        }

    first = stacks.create(exporting("one"))
    second = stacks.create({"B": ssm({"Fn::ImportValue": export})})
    assert second["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.value(stacks.resources(second)["B"].id) == "one"
    assert {
        "ExportingStackId": first["StackId"],
        "Name": export,
        "Value": "one",
    } in stacks.api.list_exports()["Exports"]
    assert stacks.api.list_imports(ExportName=export)["Imports"] == [second["StackName"]]

    third = stacks.create(exporting("mine"))
    assert third["StackStatus"] == "ROLLBACK_COMPLETE"
    taken = f"Export with name {export} is already exported by stack {first['StackName']}."
    assert any(taken in reason for _, _, reason in stacks.events(third))
    changed = stacks.update(first, exporting("two"))
    assert changed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    in_use = f"Export {export} cannot be updated as it is in use by {second['StackName']}"
    assert any(in_use in reason for _, _, reason in stacks.events(first))
    failed = stacks.delete(first)
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert (
        failed["StackStatusReason"]
        == f"Export {export} cannot be deleted as it is in use by {second['StackName']}"
    )
    stacks.delete(second)
    assert stacks.delete(first)["StackStatus"] == "DELETE_COMPLETE"
    fourth = stacks.create({"B": ssm({"Fn::ImportValue": export})})
    assert stacks.reason(fourth, "B") == f"No export named {export} found."


@pytest.mark.slow
def test_a_resource_that_cannot_be_deleted(stacks, aws):
    store = {"Type": "AWS::S3::Bucket", "DependsOn": "Needed"}
    stack = stacks.create({"Store": store, "Needed": ssm("y"), "Other": ssm("x")})
    bucket = stacks.resources(stack)["Store"].id
    aws.s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    stack = stacks.delete(stack)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"].startswith("The following resource(s) failed to delete: [Store].")
    assert "BucketNotEmpty" in stacks.reason(stack, "Store")
    found = stacks.resources(stack)
    assert found["Other"].status == "DELETE_COMPLETE"
    # what it needs stays as long as it does
    assert found["Needed"].status == "CREATE_COMPLETE" and stacks.value(found["Needed"].id) == "y"
    gone = stacks.delete(stack, RetainResources=["Store"])
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert ("Store", "DELETE_SKIPPED", "") in stacks.events(gone)
    assert aws.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"
    assert stacks.missing(found["Needed"].id)


def test_new_tags_of_a_stack_reach_what_it_has(stacks, aws):
    def tags(name):
        found = aws.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def given(**wanted):
        return [{"Key": key, "Value": value} for key, value in wanted.items()]

    template = {"A": ssm("x", properties={"Tags": {"Own": "1"}})}
    stack = stacks.create(template, Tags=given(Team="red", Cost="1"))
    name = stacks.resources(stack)["A"].id
    assert tags(name) == {"Own": "1", "Team": "red", "Cost": "1"}
    stack = stacks.update(stack, template, Tags=given(Team="blue"))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert tags(name) == {"Own": "1", "Team": "blue"}
    # a rollback brings the old ones back
    broken = {**template, "B": ssm("{{resolve:ssm:/not/there}}", DependsOn="A")}
    stack = stacks.update(stack, broken, Tags=given(Team="green"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert tags(name) == {"Own": "1", "Team": "blue"}


@pytest.mark.slow
def test_policies_of_deletion(stacks):
    name = stacks.name()
    template = {
        "Kept": ssm("a", properties={"Name": f"/{name}/kept"}, DeletionPolicy="Retain"),
        "Careful": ssm("b", properties={"Name": f"/{name}/careful"}, DeletionPolicy="RetainExceptOnCreate"),
        "Broken": ssm("{{resolve:ssm:/not/there}}", DependsOn=["Kept", "Careful"]),
    }
    stack = stacks.create(template, name)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.value(f"/{name}/kept") == "a"
    assert stacks.missing(f"/{name}/careful")
    stacks.delete(stack)
    stacks.aws.ssm.delete_parameter(Name=f"/{name}/kept")
    del template["Broken"]
    stack = stacks.create(template, name)
    stacks.delete(stack)
    assert (stacks.value(f"/{name}/kept"), stacks.value(f"/{name}/careful")) == ("a", "b")


@pytest.mark.slow
def test_on_failure_and_rollback_stack(stacks):
    name = stacks.name()
    template = {
        "Good": ssm("x", properties={"Name": f"/{name}/good"}),
        "Broken": ssm("{{resolve:secretsmanager:nothing}}", DependsOn="Good"),
    }
    stack = stacks.create(template, name, OnFailure="DO_NOTHING")
    assert stack["StackStatus"] == "CREATE_FAILED"
    assert stacks.reason(stack, "Broken").startswith(
        "Secrets Manager can't find the specified secret: nothing."
    )
    assert stacks.value(f"/{name}/good") == "x"
    stacks.api.rollback_stack(StackName=name)
    assert stacks.settled(stack["StackId"])["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.missing(f"/{name}/good")
    stacks.delete(stack)
    assert stacks.create(template, name, OnFailure="DELETE")["StackStatus"] == "DELETE_COMPLETE"
    stack = stacks.create({"Good": template["Good"]}, name)
    stack = stacks.update(stack, template, DisableRollback=True)
    assert stack["StackStatus"] == "UPDATE_FAILED"
    stacks.api.rollback_stack(StackName=name)
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert set(stacks.resources(stack)) == {"Good"}


def test_termination_protection(stacks):
    stack = stacks.create({"A": ssm("x")}, EnableTerminationProtection=True)
    name = stack["StackName"]
    assert stacks.refused("delete_stack", StackName=name) == (
        "ValidationError",
        f"Stack [{name}] cannot be deleted while TerminationProtection is enabled",
    )
    stacks.api.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_summaries_and_dynamic_references(stacks, aws, bucket):
    name = stacks.name()
    summary = stacks.api.get_template_summary(TemplateBody=LAYERS)
    assert summary["ResourceTypes"] == [PARAMETER]
    assert summary["Parameters"][0]["ParameterConstraints"] == {"AllowedValues": ["dev", "prod"]}
    assert stacks.api.validate_template(TemplateBody=LAYERS)["Parameters"][0]["DefaultValue"] == "dev"
    aws.ssm.put_parameter(Name=f"/{name}", Value="stored", Type="String")
    aws.secretsmanager.create_secret(Name=name, SecretString='{"key": "hidden"}')
    value = f"{{{{resolve:ssm:/{name}}}}}-{{{{resolve:secretsmanager:{name}:SecretString:key}}}}"
    template = {
        "Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>"}},
        "Resources": {"A": ssm(value), "B": ssm({"Ref": "P"})},
    }
    aws.s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(template).encode())
    given = [{"ParameterKey": "P", "ParameterValue": f"/{name}"}]
    url = f"{aws.url}/{bucket}/template.json"
    stack_id = stacks.api.create_stack(StackName=name, TemplateURL=url, Parameters=given)["StackId"]
    stacks.made.append(stack_id)
    stack = stacks.settled(stack_id)
    found = stacks.resources(stack)
    assert stacks.value(found["A"].id) == "stored-hidden"
    assert stacks.value(found["B"].id) == "stored"
    assert stack["Parameters"][0] == {
        "ParameterKey": "P",
        "ParameterValue": f"/{name}",
        "ResolvedValue": "stored",
    }


def with_function(**resources):
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Handler": "index.handler",
            "Runtime": "python3.12",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Timeout": 60,
            "Code": {"ZipFile": FUNCTION},
        },
    }
    return {"Role": role, "Function": function, **resources}


def custom(**properties):
    return {
        "Type": "Custom::Thing",
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, **properties},
    }


IAM = {"Capabilities": ["CAPABILITY_IAM"]}


@pytest.mark.slow
def test_a_custom_resource_lives_and_changes_its_identity(stacks):
    template = with_function(Thing=custom(Id="one", Number=3), Reader=ssm({"Fn::GetAtt": ["Thing", "Echo"]}))
    stack = stacks.create(template, **IAM)
    found = stacks.resources(stack)
    assert found["Thing"].id == "one"
    assert json.loads(stacks.value(found["Reader"].id))["Number"] == "3"  # properties travel as strings
    template["Thing"] = custom(Id="two")
    stack = stacks.update(stack, template, **IAM)
    assert (stack["StackStatus"], stacks.resources(stack)["Thing"].id) == ("UPDATE_COMPLETE", "two")
    api_events = stacks.api.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    assert ("one", "DELETE_COMPLETE") in [(e["PhysicalResourceId"], e["ResourceStatus"]) for e in api_events]
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.slow
def test_what_a_failed_update_made_is_deleted_with_the_properties_that_it_was_made_with(stacks):
    template = with_function(Thing=custom(Id="one", Fail="Delete"))
    stack = stacks.create(template, **IAM)
    template |= {"Thing": custom(Id="two"), "Bad": ssm("", DependsOn="Thing")}
    stack = stacks.update(stack, template, **IAM)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.resources(stack)["Thing"].id == "one"
    api_events = stacks.api.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    ends = [(e["PhysicalResourceId"], e["ResourceStatus"]) for e in api_events]
    assert ("two", "DELETE_COMPLETE") in ends and ("two", "DELETE_FAILED") not in ends


@pytest.mark.slow
def test_a_custom_resource_fails(stacks):
    stack = stacks.create(with_function(Thing=custom(Id="one", Fail="Create")), **IAM)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (
        "Received response status [FAILED] from custom resource. Message returned: on purpose"
        in stacks.reason(stack, "Thing")
    )
    stack = stacks.create(with_function(Thing=custom(Id="one", Crash="Create")), **IAM)
    assert "its function failed before it answered" in stacks.reason(stack, "Thing")
    assert "crashed on purpose" in stacks.reason(stack, "Thing")
    lost = {
        "Thing": {
            "Type": "Custom::Lost",
            "Properties": {"ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:lost"},
        }
    }
    assert "cannot be invoked: Function not found" in stacks.reason(stacks.create(lost), "Thing")


@pytest.mark.slow
def test_a_rollback_that_fails_can_be_continued(stacks):
    name = stacks.name()
    good = with_function(
        Thing=custom(Id="one", Fail="Update"), After=ssm("x", properties={"Name": f"/{name}/after"})
    )
    stack = stacks.create(good, name, **IAM)
    bad = with_function(
        Thing=custom(Id="one"),
        After=ssm("{{resolve:ssm:/not/there}}", DependsOn="Thing", properties={"Name": f"/{name}/after"}),
    )
    stack = stacks.update(stack, bad, **IAM)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to update: [Thing]."
    stacks.api.continue_update_rollback(StackName=name)
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    stacks.api.continue_update_rollback(StackName=name, ResourcesToSkip=["Thing"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.value(f"/{name}/after") == "x"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.slow
def test_a_stack_that_is_being_made_can_be_deleted(stacks):
    template = with_function(Thing=custom(Id="one", Sleep="20"), Never=ssm("x", DependsOn="Thing"))
    stack = stacks.create(template, wait=False, **IAM)
    deadline = time.monotonic() + 20
    while "Thing" not in {event[0] for event in stacks.events(stack)}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    begin = time.monotonic()
    gone = stacks.delete(stack)
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert time.monotonic() - begin < 15
    assert "Never" not in {event[0] for event in stacks.events(gone)}


@pytest.mark.slow
def test_an_update_is_cancelled(stacks):
    stack = stacks.create(with_function(Thing=custom(Id="one")), **IAM)
    slow = with_function(Thing=custom(Id="two", Sleep="30"), Never=ssm("x", DependsOn="Thing"))
    stacks.api.update_stack(StackName=stack["StackId"], **stacks.arguments(slow, {}, IAM))
    deadline = time.monotonic() + 20
    while ("Thing", "UPDATE_IN_PROGRESS") not in {event[:2] for event in stacks.events(stack)}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stacks.api.cancel_update_stack(StackName=stack["StackId"])
    begin = time.monotonic()
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert time.monotonic() - begin < 20
    found = stacks.resources(stack)
    assert (found["Thing"].id, set(found)) == ("one", {"Role", "Function", "Thing"})
    code, message = stacks.refused("cancel_update_stack", StackName=stack["StackId"])
    assert message.startswith("CancelUpdateStack cannot be called from current stack status")


@pytest.mark.slow
def test_nested_stacks(stacks, aws, bucket):
    inner = {
        "Parameters": {"Text": {"Type": "String"}},
        "Resources": {"A": ssm({"Ref": "Text"})},
        "Outputs": {"Name": {"Value": {"Ref": "A"}}},
    }
    aws.s3.put_object(Bucket=bucket, Key="inner.json", Body=json.dumps(inner).encode())

    def outer(text):
        properties = {"TemplateURL": f"{aws.url}/{bucket}/inner.json", "Parameters": {"Text": text}}
        nested = {"Type": "AWS::CloudFormation::Stack", "Properties": properties}
        return {
            "Resources": {"Inner": nested},
            "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}}},
        }

    stack = stacks.create(outer("one"))
    name = stacks.outputs(stack)["Name"]
    child = stacks.show(stacks.resources(stack)["Inner"].id)
    assert (child["ParentId"], child["RootId"]) == (stack["StackId"], stack["StackId"])
    stacks.update(stack, outer("two"))
    assert stacks.value(name) == "two"
    failed = stacks.update(stack, outer("{{resolve:ssm:/not/there}}"))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot be found" in stacks.reason(failed, "Inner")
    assert stacks.value(name) == "two"
    stacks.delete(stack)
    assert stacks.missing(name)
    assert stacks.show(child["StackId"])["StackStatus"] == "DELETE_COMPLETE"


@pytest.mark.slow
def test_accounts_and_regions_have_stacks_of_their_own(stacks, aws, server):
    name = stacks.name()
    stack = stacks.create({"A": ssm("us", properties={"Name": f"/{name}/a"})}, name)
    other = Stacks(clients_of(server.endpoint_url, region="eu-west-1"))
    assert other.refused("describe_stacks", StackName=name)[0] == "ValidationError"
    assert other.refused("describe_stacks", StackName=stack["StackId"])[0] == "ValidationError"
    twin = other.create({"A": ssm({"Ref": "AWS::Region"}, properties={"Name": f"/{name}/a"})}, name)
    assert (stacks.value(f"/{name}/a"), other.value(f"/{name}/a")) == ("us", "eu-west-1")
    other.delete(twin)
    assert stacks.value(f"/{name}/a") == "us"
    second = Stacks(clients_of(server.endpoint_url, access_key="222222222222"))
    twin = second.create({"A": ssm({"Ref": "AWS::AccountId"}, properties={"Name": f"/{name}/a"})}, name)
    assert twin["StackId"].split(":")[4] == "222222222222"
    assert (second.value(f"/{name}/a"), stacks.value(f"/{name}/a")) == ("222222222222", "us")
    second.delete(twin)
    assert second.missing(f"/{name}/a")


@pytest.mark.slow
def test_a_killed_server_leaves_stacks_that_can_be_deleted(tmp_path):
    with running_server(tmp_path / "home") as server:
        stacks = Stacks(clients_of(server.endpoint_url))
        whole = stacks.create(LAYERS, "whole")
        updated = stacks.create(with_function(Thing=custom(Id="one")), "updated", **IAM)
        slow = with_function(Thing=custom(Id="one", Sleep="60"))
        stacks.create(slow, "created", wait=False, **IAM)
        stacks.api.update_stack(StackName="updated", **stacks.arguments(slow, {}, IAM))
        deadline = time.monotonic() + 20
        for name, status in (("created", "CREATE_IN_PROGRESS"), ("updated", "UPDATE_IN_PROGRESS")):
            while ("Thing", status) not in {event[:2] for event in stacks.events(stacks.show(name))}:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        os.kill(json.loads((tmp_path / "home" / "server.json").read_text())["pid"], signal.SIGKILL)
        time.sleep(0.2)
    with running_server(tmp_path / "home") as server:
        stacks = Stacks(clients_of(server.endpoint_url))
        after = stacks.show("whole")
        assert (after["StackStatus"], stacks.outputs(after)) == ("CREATE_COMPLETE", stacks.outputs(whole))
        assert len(stacks.events(after)) == 8
        created = stacks.show("created")
        assert created["StackStatus"] == "CREATE_FAILED"
        assert created["StackStatusReason"].startswith("local_aws was stopped while this was under way")
        assert stacks.delete(created)["StackStatus"] == "DELETE_COMPLETE"
        failed = stacks.show("updated")
        assert (failed["StackStatus"], failed["StackId"]) == ("UPDATE_FAILED", updated["StackId"])
        stacks.api.rollback_stack(StackName="updated")
        assert stacks.settled(failed["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert stacks.delete(failed)["StackStatus"] == "DELETE_COMPLETE"
        assert stacks.aws.iam.list_roles()["Roles"] == [] or not any(
            role["RoleName"].startswith(("created-", "updated-"))
            for role in stacks.aws.iam.list_roles()["Roles"]
        )
        assert stacks.update(after, LAYERS, {"Stage": "prod"})["StackStatus"] == "UPDATE_COMPLETE"
