"""SageMaker's records (models, model packages): where moto's answers differ from AWS's in a way that breaks the SDK."""

from moto.sagemaker import models

from local_aws.server.app import LocalAwsApp


def _without_empty_vpc(cls: type) -> None:
    plain = cls.response_object.fget

    def response_object(self):
        return {k: v for k, v in plain(self).items() if not (k == "VpcConfig" and not v)}

    cls.response_object = property(response_object)


def register(app: LocalAwsApp) -> None:
    _without_empty_vpc(models.Model)
