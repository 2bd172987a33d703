"""The Hugging Face inference image's rules on top of AWS's toolkit.

As in sagemaker-huggingface-inference-toolkit: the same four functions, a transformers pipeline where the
artifact has no code, and every exception of a request answered as 400 with Multi Model Server's JSON body.
The value of `output_fn` is the body itself; a (body, content type) pair is not taken apart there.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import sys
import traceback
from pathlib import Path

from .messages import JSON, Request, Response
from .toolkit import Context, use_code_directory

CSV = "text/csv"


class PipelineDefaults:
    """What the image does by itself: a pipeline for HF_TASK, JSON or CSV in, JSON or CSV out."""

    def default_model_fn(self, model_dir, context=None):
        task = os.environ.get("HF_TASK") or _task_of(Path(model_dir))
        if not task:
            raise ValueError(
                "The artifact has neither code/inference.py nor a config.json that names a task; add one, "
                "or set HF_TASK in the model's Environment."
            )
        from transformers import pipeline

        return pipeline(task=task, model=str(model_dir))

    def default_input_fn(self, input_data, content_type, context=None):
        if content_type == JSON:
            data = json.loads(input_data)
            return data if isinstance(data, dict) and "inputs" in data else {"inputs": data}
        if content_type == CSV:
            rows = [row for row in csv.DictReader(io.StringIO(input_data))]
            if rows and "inputs" in rows[0]:
                return {"inputs": [row["inputs"] for row in rows]}
            return {"inputs": rows}
        raise ValueError(f"Content type {content_type} is not supported by this framework.")

    def default_predict_fn(self, data, model, context=None):
        return model(data["inputs"], **(data.get("parameters") or {}))

    def default_output_fn(self, prediction, accept, context=None):
        if accept == CSV:
            rows = prediction if isinstance(prediction, list) else [prediction]
            out = io.StringIO()
            writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            return out.getvalue()
        return json.dumps(prediction)


def _task_of(model_dir: Path) -> str | None:
    config = model_dir / "config.json"
    if not config.is_file():
        return None
    architectures = json.loads(config.read_text(encoding="utf-8")).get("architectures") or [""]
    for ending, task in (
        ("ForSequenceClassification", "text-classification"),
        ("ForTokenClassification", "token-classification"),
        ("ForQuestionAnswering", "question-answering"),
        ("ForMaskedLM", "fill-mask"),
        ("ForCausalLM", "text-generation"),
    ):
        if architectures[0].endswith(ending):
            return task
    return "feature-extraction" if architectures[0].endswith("Model") else None


class HuggingFaceHandler:
    """The model behind the Hugging Face image's handler service."""

    def __init__(self, model_dir: str):
        from sagemaker_inference.transformer import Transformer

        self.model_dir = model_dir
        self.context = Context(model_dir)
        self.transformer = Transformer(default_inference_handler=PipelineDefaults())

    def load(self) -> None:
        use_code_directory(self.model_dir)
        program = os.environ.get("SAGEMAKER_PROGRAM", "inference.py").removesuffix(".py")
        if importlib.util.find_spec(program) is None:
            print(f"No {program}.py in the artifact's code folder: a transformers pipeline serves the model.")
        self.context.begin({})
        self.transformer.validate_and_initialize(model_dir=self.model_dir, context=self.context)

    def handle(self, request: Request) -> Response:
        context = self.context
        context.begin(request.headers)
        try:
            content_type = request.headers.get("Content-Type")
            accept = request.headers.get("Accept")
            if not accept or accept == "*/*":
                accept = JSON
            body = request.body.decode("utf-8") if content_type in (JSON, CSV) else request.body
            run = self.transformer._run_handler_function
            result = run(self.transformer._transform_fn, self.transformer._model, body, content_type, accept)
            context.set_response_content_type(0, accept)
            return context.answer(result)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
            answer = {"code": 400, "type": "InternalServerException", "message": str(error)}
            return Response(400, (json.dumps(answer, indent=2) + "\n").encode(), JSON)
