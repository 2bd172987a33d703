"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.resources import bucket_shapes as shapes
from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import Properties, document, exists_already

# property: (put call, its keyword, how the value is made, delete call)
_PARTS: dict[str, tuple[str, str, Callable[[Any], Any], str]] = {
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        shapes.encryption,
        "delete_bucket_encryption",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        shapes.public_access_block,
        "delete_public_access_block",
    ),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "OwnershipControls",
        dict,
        "delete_bucket_ownership_controls",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        shapes.lifecycle,
        "delete_bucket_lifecycle",
    ),
    "CorsConfiguration": ("put_bucket_cors", "CORSConfiguration", shapes.cors, "delete_bucket_cors"),
}


class Bucket(Handler):
    type = "AWS::S3::Bucket"
    properties = {
        "BucketName",
        "LoggingConfiguration",
        "NotificationConfiguration",
        "Tags",
        "VersioningConfiguration",
        *_PARTS,
    }
    name_property = "BucketName"

    def validate(self, properties: Properties) -> None:
        for name, (_, _, make, _) in _PARTS.items():
            if name in properties:
                make(properties[name])
        shapes.logging(properties.get("LoggingConfiguration"), "")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        name = properties.get("BucketName") or ctx.physical_name(logical_id, limit=63, lower=True)
        s3 = ctx.client("s3")
        if self._exists(s3, name):  # in us-east-1 the S3 API answers 200 for a bucket that one has
            raise exists_already(self.type, name)
        place = {} if ctx.region == "us-east-1" else {"LocationConstraint": ctx.region}
        s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        ctx.made(name)
        self._apply(ctx, name, {}, properties)
        return name, self._attributes(ctx, name)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._apply(ctx, physical_id, old, new)
        return self._attributes(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("s3").delete_bucket(Bucket=physical_id)

    @staticmethod
    def _exists(s3: Any, name: str) -> bool:
        try:
            s3.head_bucket(Bucket=name)
        except ClientError:
            return False
        return True

    @staticmethod
    def _apply(ctx: Context, name: str, old: Properties, new: Properties) -> None:
        s3 = ctx.client("s3")
        for part, (put, keyword, make, delete) in _PARTS.items():
            if part in new and new[part] != old.get(part):
                getattr(s3, put)(Bucket=name, **{keyword: make(new[part])})
            elif part in old and part not in new:
                getattr(s3, delete)(Bucket=name)
        versioning = [p.get("VersioningConfiguration", {}).get("Status") for p in (old, new)]
        if versioning[0] != versioning[1]:  # once enabled, it can only be suspended
            status = {"Status": versioning[1] or "Suspended"}
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=status)
        if old.get("LoggingConfiguration") != new.get("LoggingConfiguration"):
            status = shapes.logging(new.get("LoggingConfiguration"), name)
            s3.put_bucket_logging(Bucket=name, BucketLoggingStatus=status)
        if old.get("NotificationConfiguration") != new.get("NotificationConfiguration"):
            made = shapes.notifications(new.get("NotificationConfiguration"))
            s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=made)
        tags = ctx.tag_list(new.get("Tags"))
        if tags:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
        elif ctx.tag_dict(old.get("Tags"), ctx.old_tags):
            s3.delete_bucket_tagging(Bucket=name)

    @staticmethod
    def _attributes(ctx: Context, name: str) -> dict[str, Any]:
        region = ctx.region
        dash = f"s3-website-{region}" if region == "us-east-1" else f"s3-website.{region}"
        return {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.{dash}.amazonaws.com",
        }


class BucketPolicy(Handler):
    type = "AWS::S3::BucketPolicy"
    properties = {"Bucket", "PolicyDocument"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        name, s3 = properties["Bucket"], ctx.client("s3")
        try:
            s3.get_bucket_policy(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
        else:
            raise ResourceError(f"The bucket policy already exists on bucket {name}.")
        s3.put_bucket_policy(Bucket=name, Policy=document(properties["PolicyDocument"]))
        return name, {}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        ctx.client("s3").put_bucket_policy(Bucket=physical_id, Policy=document(new["PolicyDocument"]))
        return {}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("s3").delete_bucket_policy(Bucket=physical_id)
