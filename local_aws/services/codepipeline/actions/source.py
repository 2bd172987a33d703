"""Source actions: a CodeCommit branch or an S3 object becomes the artifact.

Source: CodePipeline user guide, "CodeCommit source action reference", "Amazon S3 source action reference".
"""

from botocore.exceptions import ClientError

from local_aws.services.codepipeline.actions.base import ActionFailed, Context, failed_call


def codecommit(action: Context) -> None:
    from local_aws.services.codecommit import archive
    from local_aws.services.codecommit.errors import CodeCommitError

    repository, branch = action.configuration["RepositoryName"], action.configuration["BranchName"]
    if action.configuration.get("OutputArtifactFormat", "CODE_ZIP") != "CODE_ZIP":
        raise ActionFailed("ConfigurationError", "local_aws only emulates the OutputArtifactFormat CODE_ZIP")
    wanted = action.execution.overrides.get(action.run.action, {}).get("revisionValue", branch)
    try:
        commit, message, data = archive(action.app, repository, wanted, action.account, action.region)
    except CodeCommitError as error:
        where = f"branch {branch}" if wanted == branch else f"commit {wanted}"
        raise ActionFailed(
            "ConfigurationError",
            f"The source of the pipeline cannot be read (CodeCommit repository {repository}, {where}): "
            f"{error.sentence}",
        ) from error
    output = action.declaration["outputArtifacts"][0]["name"]
    summary = (message.splitlines() or [""])[0]
    action.put_artifact(output, data, revision=commit, summary=message)
    action.run.external_id, action.run.summary = commit, f"CommitMessage: {summary}"
    action.run.variables = {
        "RepositoryName": repository,
        "BranchName": branch,
        "CommitId": commit,
        "CommitMessage": message,
    }


def s3(action: Context) -> None:
    bucket, key = action.configuration["S3Bucket"], action.configuration["S3ObjectKey"]
    override = action.execution.overrides.get(action.run.action, {})
    more = {}
    if override.get("revisionType") == "S3_OBJECT_VERSION_ID":
        more["VersionId"] = override["revisionValue"]
    elif override.get("revisionType") == "S3_OBJECT_KEY":
        key = override["revisionValue"]
    client = action.client("s3")
    try:
        if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            raise ActionFailed(
                "ConfigurationError",
                f"The source bucket {bucket} must have versioning enabled: PutBucketVersioning",
            )
        found = client.get_object(Bucket=bucket, Key=key, **more)
    except ClientError as error:
        raise failed_call(error, f"The source object s3://{bucket}/{key} cannot be read") from error
    version = found["VersionId"]
    output = action.declaration["outputArtifacts"][0]["name"]
    summary = f"Amazon S3 version id: {version}"
    action.put_artifact(output, found["Body"].read(), revision=version, summary=summary)
    action.run.external_id, action.run.summary = version, summary
    action.run.variables = {
        "BucketName": bucket,
        "ObjectKey": key,
        "VersionId": version,
        "ETag": found["ETag"].strip('"'),
    }
