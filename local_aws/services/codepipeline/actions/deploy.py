"""The S3 deploy action (CodePipeline user guide, "Amazon S3 deploy action reference")."""

import io
import mimetypes
import zipfile

from botocore.exceptions import ClientError

from local_aws.services.codepipeline.actions.base import ActionFailed, Context, failed_call


def s3(action: Context) -> None:
    given = action.configuration
    bucket, prefix = given["BucketName"], given.get("ObjectKey", "")
    more = {}
    if given.get("CannedACL"):
        more["ACL"] = given["CannedACL"]
    if given.get("CacheControl"):
        more["CacheControl"] = given["CacheControl"]
    if given.get("KMSEncryptionKeyARN"):
        more.update(ServerSideEncryption="aws:kms", SSEKMSKeyId=given["KMSEncryptionKeyARN"])
    name = action.declaration["inputArtifacts"][0]["name"]
    data, client = action.get_artifact(name), action.client("s3")
    try:
        if given["Extract"].lower() != "true":
            client.put_object(Bucket=bucket, Key=prefix, Body=data, **more)
            return
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                kind = mimetypes.guess_type(entry.filename)[0] or "application/octet-stream"
                key = f"{prefix.rstrip('/')}/{entry.filename}" if prefix else entry.filename
                client.put_object(Bucket=bucket, Key=key, Body=archive.read(entry), ContentType=kind, **more)
    except zipfile.BadZipFile as error:
        raise ActionFailed(
            "JobFailed", f"The artifact {name} is no zip file, so it cannot be extracted"
        ) from error
    except ClientError as error:
        raise failed_call(error, f"The bucket {bucket} takes nothing") from error
