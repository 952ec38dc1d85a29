"""A hub on this machine, as far as huggingface_hub asks one for files."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# What the hub says of the images of its networks.
SETTINGS = {
    "architecture": "test_resnet",
    "pretrained_cfg": {
        "input_size": [3, 32, 32], "test_input_size": [3, 48, 48], "crop_pct": 0.875,
        "test_crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6], "tag": "r160_in1k",
    },
}  # fmt: skip


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves folder/OWNER/NAME/FILE; of a repository called ...damaged other bytes, ...half a half.

    folder/asked.txt gets a line for each request.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            with (folder / "asked.txt").open("a") as asked:
                asked.write(f"{self.command} {self.path}\n")
            found = re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", self.path)
            repository, revision, file = found.groups() if found else ("", "", "")
            path = folder / repository / file
            if not repository or not (folder / repository).is_dir():
                return self.missing("RepoNotFound")
            if revision not in ("main", COMMIT):
                return self.missing("RevisionNotFound")
            if not path.is_file():
                return self.missing("EntryNotFound")
            content = path.read_bytes()
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body and repository.endswith("damaged"):
                content = content[:-1] + bytes([content[-1] ^ 1])
            if body and repository.endswith("half"):
                content = content[: len(content) // 2]
                self.close_connection = True
            if body:
                self.wfile.write(content)

        def missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def add(folder: Path, repository: str, content: bytes, file: str = "model.safetensors") -> None:
    """Adds a repository with a file of weights, and what timm's say of their images."""
    place = folder / repository
    place.mkdir(parents=True, exist_ok=True)
    (place / file).write_bytes(content)
    (place / "config.json").write_text(json.dumps(SETTINGS))
