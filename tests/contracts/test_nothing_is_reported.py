"""What Osteon is made of tells its makers nothing of how it is used."""

import os
import subprocess
import sys
from pathlib import Path

MODEL = Path(__file__).parents[2] / "models" / "nyul" / "model.onnx"


def test_onnx_runtime_keeps_no_account_of_what_it_does(tmp_path: Path) -> None:
    script = f"import osteon, onnxruntime; onnxruntime.InferenceSession({str(MODEL)!r})"
    around = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}

    subprocess.run([sys.executable, "-c", script], env=around | {"HOME": str(tmp_path)}, check=True)

    assert list(tmp_path.rglob("*")) == []
