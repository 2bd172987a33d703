"""The server process of one endpoint instance: what runs inside a framework's inference image.

`python -m local_aws.serving --kind toolkit|huggingface|tensorflow --port-file FILE` loads the model from
/opt/ml/model, then answers `GET /ping` and `POST /invocations` (SageMaker guide, "Use Your Own Inference Code
with Hosting Services"). Nothing in this package imports moto or the rest of `local_aws`.
"""
