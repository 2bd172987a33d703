"""AddTags, ListTags and DeleteTags on Studio's ARNs."""

from typing import Any

from moto.sagemaker.models import SageMakerModelBackend

from local_aws.services.studio.records import find, studio

_KINDS = {
    "domain": ("domains", "Domain"),
    "user-profile": ("users", "UserProfile"),
    "space": ("spaces", "Space"),
    "app": ("apps", "App"),
    "studio-lifecycle-config": ("configs", "StudioLifecycleConfig"),
}


def install() -> None:
    plain = SageMakerModelBackend._get_resource_from_arn

    def get_resource(self: SageMakerModelBackend, arn: str) -> Any:
        kind, _, name = arn.rsplit(":", 1)[-1].partition("/")
        if kind not in _KINDS:
            return plain(self, arn)
        records, word = _KINDS[kind]
        by_arn = {record.arn: record for record in getattr(studio(self), records).values()}
        return find(by_arn, arn, word)

    SageMakerModelBackend._get_resource_from_arn = get_resource
