"""CreateFunction and the updates on moto's records: what Lambda refuses there, and what cannot run here."""

import base64
import binascii
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction, _zipfile_content
from moto.awslambda.responses import LambdaResponse
from moto.s3.exceptions import MissingBucket, MissingKey
from moto.s3.models import s3_backends

from local_aws.services.functions import packages


def _bytes_of(record: LambdaFunction, spec: dict[str, Any]) -> bytes | None:
    """The zip that a Code structure or an UpdateFunctionCode request names; None for an image."""
    if "ZipFile" in spec:
        try:
            text = spec["ZipFile"]
            return base64.b64decode(text.encode() if isinstance(text, str) else text, validate=True)
        except binascii.Error:
            raise InvalidParameterValueException("ZipFile is not base64.") from None
    if "S3Bucket" in spec and "S3Key" in spec:
        backend = s3_backends[record.account_id][record.partition]
        code = "NoSuchKey. S3 Error Message: The specified key does not exist."
        key = None
        try:
            key = backend.get_object(spec["S3Bucket"], spec["S3Key"], version_id=spec.get("S3ObjectVersion"))
        except MissingBucket:
            code = "NoSuchBucket. S3 Error Message: The specified bucket does not exist"
        except MissingKey:
            pass
        if key is None:
            raise InvalidParameterValueException(f"Error occurred while GetObject. S3 Error Code: {code}")
        return key.value
    return None


def install() -> None:
    plain = LambdaFunction._set_function_code

    def set_function_code(self: LambdaFunction, spec: dict[str, Any]) -> None:
        data = _bytes_of(self, spec)
        if data is not None:
            try:
                packages.check_zip(data)
            except packages.BadPackage as error:
                raise InvalidParameterValueException(str(error)) from None
        plain(self, spec)
        if data is not None and not spec.get("DryRun"):  # moto knows no S3ObjectVersion
            encoded = base64.b64encode(data)
            self.code_bytes, self.code_size, self.code_sha_256, self.code_digest = _zipfile_content(encoded)

    LambdaFunction._set_function_code = set_function_code

    def without_layers(method: Any) -> Any:
        def checked(self: LambdaResponse) -> Any:
            if self.json_body.get("Layers"):
                raise InvalidParameterValueException(
                    "Layers are not emulated by local_aws: put what the function imports into its zip."
                )
            return method(self)

        checked.__name__ = method.__name__
        return checked

    LambdaResponse.create_function = without_layers(LambdaResponse.create_function)
    LambdaResponse.update_function_configuration = without_layers(
        LambdaResponse.update_function_configuration
    )
