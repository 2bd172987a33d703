"""IAM actions that the SageMaker SDK needs and moto lacks."""

from moto.core.responses import ActionResult
from moto.iam.exceptions import InvalidInput
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from local_aws.server.app import LocalAwsApp


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """SimulatePrincipalPolicy: every action of an existing principal is allowed, for nothing here enforces
    policies.

    An unknown principal is NoSuchEntity as on AWS, so that a mistyped role is found here too.
    """
    arn = self._get_param("PolicySourceArn")
    actions = self._get_param("ActionNames") or []
    backend = iam_backends[self.current_account][self.partition]
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    if not name:
        raise InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    name = name.rsplit("/", 1)[-1]
    if kind == "role":
        backend.get_role(name)
    elif kind == "user":
        backend.get_user(name)
    resources = self._get_param("ResourceArns") or ["*"]
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "allowed",
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in actions
        for resource in resources
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def register(app: LocalAwsApp) -> None:
    IamResponse.simulate_principal_policy = simulate_principal_policy
