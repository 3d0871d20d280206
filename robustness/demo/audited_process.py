"""A command of camser's, or loading exports, in a process that notes what it must never do.

    python -m robustness.demo.audited_process NOTES camser ARGUMENT…
    python -m robustness.demo.audited_process NOTES load '[["DIR", "ENGINE"], …]'

Like the installed command, it does not have the working folder on its path. NOTES gets a line for
each connection, process, or class that a pickle names; both are refused. ``load`` prints a line of
JSON for each export.
"""

import json
import sys

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "os.system", "subprocess.Popen", "os.exec",
             "os.posix_spawn", "pickle.find_class")  # fmt: skip
watching = False


def watch(event: str, arguments: tuple) -> None:
    """Note what is forbidden, and refuse it."""
    if not watching or event not in FORBIDDEN:
        return
    if event == "subprocess.Popen" and arguments[0] == sys.executable:
        return  # camser's own child
    with open(sys.argv[1], "a") as notes:
        print(event, arguments[:2], file=notes)
    raise PermissionError(f"{event} is forbidden here")


def load(given: list[list[str]]) -> None:
    """Load exports, and say what came of each."""
    import numpy as np

    from camser.inference import EmotionClassifier

    for folder, engine in given:
        try:
            model = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
            came = f"loads, and answers {model.classify(np.ones(20000, np.float32)).emotion}"
        except Exception as error:  # what kind it is decides whether that is as it should be
            came = f"{'refused' if isinstance(error, ValueError) else 'FAILS'}: {error!r}"
        print(json.dumps(came), flush=True)


def main() -> None:
    """Run what the command line says."""
    global watching
    import soundfile  # noqa: F401
    import torch  # noqa: F401
    import transformers.models.wav2vec2.modeling_wav2vec2  # noqa: F401  their own pickles, if any

    from camser import cli

    sys.addaudithook(watch)
    watching = True
    if sys.argv[2] == "load":
        load(json.loads(sys.argv[3]))
    else:
        cli.main(sys.argv[3:])


if __name__ == "__main__":
    main()
