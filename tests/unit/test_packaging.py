"""The inference code that every model carries in its archive."""

import subprocess
import sys

import pytest

from lab_lib.algorithms import packaging


@pytest.fixture
def package(tmp_path, monkeypatch):
    "A small lab_lib of its own, so that the test does not depend on which handlers exist."
    folder = tmp_path / "source" / "lab_lib"
    (folder / "algorithms").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "algorithms" / "__init__.py").write_text("")
    (folder / "algorithms" / "echo.py").write_text(
        "import a_library_that_is_not_here\n"
        "def load(d): ...\n"
        "def predict_fn(data, model): ...\n"
        "def model_fn(d): ...\n"
    )
    (folder / "algorithms" / "plain.py").write_text("def model_fn(d):\n    return 'loaded ' + d\n")
    (folder / "notes.txt").write_text("not code")
    monkeypatch.setattr(packaging, "package_dir", lambda: folder)
    return folder


def test_handlers_are_found_without_importing_the_module(package, tmp_path):
    code = packaging.write_inference_code(
        tmp_path / "model", "lab_lib.algorithms.echo", ["onnxruntime==1.32.0"]
    )
    assert "from lab_lib.algorithms.echo import model_fn, predict_fn" in (code / "inference.py").read_text()
    assert (code / "requirements.txt").read_text() == "onnxruntime==1.32.0\n"
    assert (code / "lab_lib" / "algorithms" / "plain.py").is_file()
    assert not (code / "lab_lib" / "notes.txt").exists()


def test_the_written_code_runs_from_anywhere_with_its_own_copy(package, tmp_path):
    code = packaging.write_inference_code(tmp_path / "model", "lab_lib.algorithms.plain")
    script = (
        "import importlib.util, sys;"
        f"s = importlib.util.spec_from_file_location('inference', r'{code / 'inference.py'}');"
        "m = importlib.util.module_from_spec(s); s.loader.exec_module(m); print(m.model_fn('it'));"
        "print(sys.modules['lab_lib'].__file__)"
    )
    lines = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert lines.splitlines() == ["loaded it", str(code / "lab_lib" / "__init__.py")]


def test_a_second_call_replaces_the_first(package, tmp_path):
    code = packaging.write_inference_code(tmp_path, "lab_lib.algorithms.echo")
    (code / "old.py").write_text("")
    packaging.write_inference_code(tmp_path, "lab_lib.algorithms.plain")
    assert not (code / "old.py").exists()
    assert "echo" not in (code / "inference.py").read_text()


@pytest.mark.parametrize(
    ("module", "requirements", "says"),
    [
        ("lab_lib.algorithms.missing", [], "is not a module of lab_lib"),
        ("json", [], "is not a module of lab_lib"),
        ("lab_lib.algorithms.echo", ["onnxruntime>=1"], "is not pinned"),
    ],
)
def test_what_cannot_be_packaged_is_refused(package, tmp_path, module, requirements, says):
    with pytest.raises(ValueError, match=says):
        packaging.write_inference_code(tmp_path, module, requirements)
    assert not (tmp_path / "code").exists()
