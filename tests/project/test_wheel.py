"""The wheel: entry points ship, and listing them needs nothing but the standard library."""

import subprocess
import sys
import venv


def test_the_wheel_alone_lists_the_built_in_plugins(wheel, tmp_path):
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", wheel], check=True)
    command = [environment / "bin/camser", "plugins", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    names = {tuple(line.split()[:2]) for line in listed.stdout.splitlines()}
    encoders = {"mfcc_bilstm", "mfcc_statistics", "spectrogram_alexnet", "wav2vec2", "whisper"}
    assert {("encoder", n) for n in encoders} <= names
    fusions = {"attentive", "co_attention", "concat", "gated", "low_rank"}
    assert {("fusion", n) for n in fusions} | {("back_end", "logistic")} <= names
    unknown = "from camser import registry; registry.load('encoder', 'mfcc')"
    failed = subprocess.run([python, "-c", unknown], capture_output=True, text=True, cwd=tmp_path)
    assert "no plugin 'mfcc'; installed: mfcc_bilstm" in failed.stderr
    new = ["plugins", "new", "prosody", "--kind", "encoder"]  # its templates ship
    subprocess.run([environment / "bin/camser", *new], check=True, cwd=tmp_path)
    copy = [environment / "bin/camser", "recipes", "copy", "EmoDB"]
    subprocess.run(copy, check=True, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "EmoDB/emodb_prepare.py").is_file()
    for name in ("py.typed", "cli/cite.bib", "export/model_card.md.jinja"):
        assert list(environment.glob(f"lib/python*/site-packages/camser/{name}")), name
    (report,) = environment.glob("lib/python*/site-packages/camser/evaluation/report/templates")
    assert len([*report.glob("*.jinja")]) == 4  # of `camser report`, and the look of any page
    data = report.parents[2] / "data_check/templates"
    assert [path.name for path in data.iterdir()] == ["data.html.jinja"]  # of `camser data`
    assert "class ProsodyEncoder" in (tmp_path / "camser-prosody/camser_prosody.py").read_text()
