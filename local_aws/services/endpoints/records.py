"""The control plane of models, endpoint configurations and endpoints, on moto's records.

moto keeps and lists them; these functions replace the methods that create, describe, change and delete. A
plan (plain values, so that it is persisted with the record) says what an endpoint runs, independent of later
changes to models and configurations, which may be deleted while it serves:
{"Id", "ConfigName", "DataCaptureConfig", "Variants": [{"VariantName", "Container", "StartupSeconds", weights,
counts}]}.
"""

from secrets import token_hex

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker import models, responses
from moto.sagemaker.exceptions import ValidationError

from . import containers, shapes, validation

UNSUPPORTED = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants", "VpcConfig")
MAX_INSTANCES = 8  # of a variant: each is a process on this machine


def install(manager) -> None:
    """Replace moto's methods by ones that work through `manager`."""
    _install_shapes()
    _install_models(manager.app)
    _install_configs()
    _install_endpoints(manager)


def _install_shapes() -> None:
    models.Model.response_object = property(shapes.model)
    models.FakeEndpointConfig.response_object = property(shapes.endpoint_config)
    models.FakeEndpointConfig.validate_instance_type = lambda self, instance_type: None
    models.FakeEndpointConfig.validate_production_variants = lambda self, variants: None
    models.FakeEndpoint.response_object = property(shapes.endpoint)
    models.FakeEndpoint.deployed = None
    models.FakeEndpoint.pending = None


def _install_models(app) -> None:
    Backend = models.SageMakerModelBackend
    create = Backend.create_model

    def create_model(
        self, model_name, execution_role_arn, primary_container, vpc_config, containers, tags
    ) -> models.Model:
        validation.check_name(model_name, "modelName")
        if model_name in self._models:
            raise validation.already_there(self, "model", model_name)
        _check_containers(app, self, primary_container, containers)
        return create(
            self,
            model_name=model_name,
            execution_role_arn=execution_role_arn,
            primary_container=primary_container,
            vpc_config=vpc_config,
            containers=containers,
            tags=tags,
        )

    def describe_model(self, model_name):
        if model_name not in self._models:
            raise validation.not_found(self, "model", model_name)
        return self._models[model_name]

    def delete_model(self, model_name):
        if model_name not in self._models:
            raise validation.not_found(self, "model", model_name)
        del self._models[model_name]

    answer = responses.SageMakerResponse.create_model

    def create_model_answer(self) -> ActionResult:
        result = answer(self)
        record = self.sagemaker_backend._models[self._get_param("ModelName")]
        record.enable_network_isolation = bool(self._get_param("EnableNetworkIsolation"))
        return result

    def list_models_answer(self) -> ActionResult:
        found = [
            record
            for record in self.sagemaker_backend._models.values()
            if (self._get_param("NameContains") or "") in record.model_name
        ]
        by_name = self._get_param("SortBy") == "Name"
        found.sort(key=lambda record: record.model_name if by_name else record.creation_time)
        if (self._get_param("SortOrder") or "Descending") == "Descending":
            found.reverse()
        start, size = int(self._get_param("NextToken") or 0), int(self._get_param("MaxResults") or 100)
        answer = {"Models": [shapes.model_summary(record) for record in found[start : start + size]]}
        if start + size < len(found):
            answer["NextToken"] = str(start + size)
        return ActionResult(answer)

    responses.SageMakerResponse.create_model = create_model_answer
    responses.SageMakerResponse.list_models = list_models_answer
    Backend.create_model = create_model
    Backend.describe_model = describe_model
    Backend.delete_model = delete_model


def _check_containers(app, backend, primary: dict | None, several: list | None) -> None:
    if bool(primary) == bool(several):
        raise ValidationError(message="Give either PrimaryContainer or Containers.")
    if several and len(several) > 1:
        raise ValidationError(
            message=f"Containers has {len(several)} members: inference pipelines and multi-container models "
            "are not emulated by local_aws."
        )
    definition = primary or several[0]
    if definition.get("Mode") == "MultiModel":
        raise ValidationError(message="Mode MultiModel is not emulated by local_aws. Use SingleModel.")
    containers.check(app, containers.resolve(backend, definition))


def _install_configs() -> None:
    Backend = models.SageMakerModelBackend

    def create_endpoint_config(
        self,
        endpoint_config_name,
        production_variants,
        data_capture_config,
        async_inference_config,
        tags,
        kms_key_id,
    ) -> models.FakeEndpointConfig:
        validation.check_name(endpoint_config_name, "endpointConfigName")
        if endpoint_config_name in self.endpoint_configs:
            raise validation.already_there(self, "endpoint-config", endpoint_config_name)
        validation.check_variants(production_variants)
        validation.check_capture(data_capture_config)
        for variant in production_variants:
            if variant["ModelName"] not in self._models:
                raise validation.not_found(self, "model", variant["ModelName"])
            if int(variant.get("InitialInstanceCount") or 1) > MAX_INSTANCES:
                raise ValidationError(
                    message=f"InitialInstanceCount of variant {variant['VariantName']} is more than "
                    f"{MAX_INSTANCES}: each instance is a process on this machine."
                )
        config = models.FakeEndpointConfig(
            account_id=self.account_id,
            region_name=self.region_name,
            endpoint_config_name=endpoint_config_name,
            production_variants=production_variants,
            async_inference_config=async_inference_config,
            data_capture_config=data_capture_config,
            tags=tags,
            kms_key_id=kms_key_id,
        )
        self.endpoint_configs[endpoint_config_name] = config
        return config

    def describe_endpoint_config(self, endpoint_config_name):
        return shapes.endpoint_config(_config(self, endpoint_config_name))

    def delete_endpoint_config(self, endpoint_config_name):
        _config(self, endpoint_config_name)
        del self.endpoint_configs[endpoint_config_name]

    Backend.create_endpoint_config = create_endpoint_config
    Backend.describe_endpoint_config = describe_endpoint_config
    Backend.delete_endpoint_config = delete_endpoint_config

    answer = responses.SageMakerResponse.create_endpoint_config

    def create_endpoint_config_answer(self) -> ActionResult:
        for name in UNSUPPORTED:
            if self._get_param(name):
                raise ValidationError(
                    message=f"{name} is not emulated by local_aws. Leave it out, or use AWS."
                )
        return answer(self)

    responses.SageMakerResponse.create_endpoint_config = create_endpoint_config_answer


def _config(backend, name: str):
    if name not in backend.endpoint_configs:
        raise validation.not_found(backend, "endpoint-config", name)
    return backend.endpoint_configs[name]


def _endpoint(backend, name: str):
    if name not in backend.endpoints:
        raise validation.not_found(backend, "endpoint", name)
    return backend.endpoints[name]


def _settled_endpoint(backend, name: str):
    record = _endpoint(backend, name)
    if record.endpoint_status not in ("InService", "Failed", "OutOfService"):
        raise ValidationError(message=f'Cannot update in-progress endpoint "{record.arn}".')
    return record


def make_plan(app, backend, config) -> dict:
    """What an endpoint with this configuration runs. Raises `ValidationError` for a model that is gone."""
    variants = []
    for variant in config.production_variants:
        model = backend.describe_model(variant["ModelName"])
        container = containers.resolve(backend, model.primary_container or model.containers[0])
        containers.check(app, container)
        weight, count = _weight_and_count(variant)
        variants.append(
            {
                "VariantName": variant["VariantName"],
                "Container": container,
                "StartupSeconds": variant.get("ContainerStartupHealthCheckTimeoutInSeconds"),
                "ResolutionTime": utcnow(),
                "CurrentWeight": 0.0,
                "DesiredWeight": weight,
                "CurrentInstanceCount": 0,
                "DesiredInstanceCount": count,
            }
        )
    return {
        "Id": token_hex(4),
        "ConfigName": config.endpoint_config_name,
        "DataCaptureConfig": config.data_capture_config or None,
        "Variants": variants,
    }


def _weight_and_count(variant: dict) -> tuple[float, int]:
    return float(variant.get("InitialVariantWeight", 1.0)), int(variant.get("InitialInstanceCount") or 1)


def _install_endpoints(manager) -> None:
    Backend = models.SageMakerModelBackend

    def create_endpoint(self, endpoint_name, endpoint_config_name, tags) -> models.FakeEndpoint:
        validation.check_name(endpoint_name, "endpointName")
        if endpoint_name in self.endpoints:
            raise validation.already_there(self, "endpoint", endpoint_name)
        plan = make_plan(manager.app, self, _config(self, endpoint_config_name))
        record = models.FakeEndpoint(
            account_id=self.account_id,
            region_name=self.region_name,
            endpoint_name=endpoint_name,
            endpoint_config_name=endpoint_config_name,
            production_variants=[],
            data_capture_config={},
            tags=tags,
        )
        record.endpoint_status = "Creating"
        record.pending = plan
        self.endpoints[endpoint_name] = record
        manager.deploy(self, record)
        return record

    def describe_endpoint(self, endpoint_name):
        return shapes.endpoint(_endpoint(self, endpoint_name))

    def update_endpoint(self, endpoint_name, endpoint_config_name, retain_properties, excluded) -> str:
        record = _settled_endpoint(self, endpoint_name)
        plan = make_plan(manager.app, self, _config(self, endpoint_config_name))
        if retain_properties and record.deployed:
            _retain(record.deployed, plan, excluded)
        record.pending = plan
        record.failure_reason = None
        record.endpoint_status = "Updating" if record.deployed else "Creating"
        record.last_modified_time = utcnow()
        manager.deploy(self, record)
        return record.arn

    def update_endpoint_weights_and_capacities(self, endpoint_name, desired_weights_and_capacities) -> str:
        record = _settled_endpoint(self, endpoint_name)
        if not record.deployed or record.endpoint_status != "InService":
            raise ValidationError(message=f'Endpoint "{record.arn}" is not InService.')
        variants = {variant["VariantName"]: variant for variant in record.deployed["Variants"]}
        wishes = desired_weights_and_capacities or []
        unknown = [wish["VariantName"] for wish in wishes if wish["VariantName"] not in variants]
        if unknown:
            raise ValidationError(
                message=f'The variant name(s) "{", ".join(unknown)}" is/are not present within endpoint '
                f'configuration "{record.endpoint_config_name}".'
            )
        for wish in wishes:
            count = wish.get("DesiredInstanceCount")
            if count is not None and not 1 <= int(count) <= MAX_INSTANCES:
                raise ValidationError(
                    message=f"DesiredInstanceCount {count} of variant {wish['VariantName']} must be from 1 "
                    f"to {MAX_INSTANCES}."
                )
        for wish in wishes:
            variant = variants[wish["VariantName"]]
            if wish.get("DesiredWeight") is not None:
                variant["DesiredWeight"] = float(wish["DesiredWeight"])
            if wish.get("DesiredInstanceCount") is not None:
                variant["DesiredInstanceCount"] = int(wish["DesiredInstanceCount"])
        record.endpoint_status = "Updating"
        record.last_modified_time = utcnow()
        manager.scale(self, record)
        return record.arn

    def delete_endpoint(self, endpoint_name):
        record = _settled_endpoint(self, endpoint_name)
        record.endpoint_status = "Deleting"
        record.last_modified_time = utcnow()
        manager.delete(self, record)

    Backend.create_endpoint = create_endpoint
    Backend.describe_endpoint = describe_endpoint
    Backend.update_endpoint = update_endpoint
    Backend.update_endpoint_weights_and_capacities = update_endpoint_weights_and_capacities
    Backend.delete_endpoint = delete_endpoint

    answer = responses.SageMakerResponse.create_endpoint

    def create_endpoint_answer(self) -> ActionResult:
        validation.check_deployment(self._get_param("DeploymentConfig"))
        return answer(self)

    def update_endpoint_answer(self) -> ActionResult:
        validation.check_deployment(self._get_param("DeploymentConfig"))
        excluded = self._get_param("ExcludeRetainedVariantProperties") or []
        arn = self.sagemaker_backend.update_endpoint(
            self._get_param("EndpointName"),
            self._get_param("EndpointConfigName"),
            bool(self._get_param("RetainAllVariantProperties")),
            [item["VariantPropertyType"] for item in excluded],
        )
        return ActionResult({"EndpointArn": arn})

    responses.SageMakerResponse.create_endpoint = create_endpoint_answer
    responses.SageMakerResponse.update_endpoint = update_endpoint_answer


def _retain(old: dict, new: dict, excluded: list[str]) -> None:
    """RetainAllVariantProperties: weights, counts and the capture configuration stay as they are now."""
    present = {variant["VariantName"]: variant for variant in old["Variants"]}
    for variant in new["Variants"]:
        before = present.get(variant["VariantName"])
        if before and "DesiredWeight" not in excluded:
            variant["DesiredWeight"] = before["DesiredWeight"]
        if before and "DesiredInstanceCount" not in excluded:
            variant["DesiredInstanceCount"] = before["DesiredInstanceCount"]
    if "DataCaptureConfig" not in excluded:
        new["DataCaptureConfig"] = old["DataCaptureConfig"]
