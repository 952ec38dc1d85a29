"""Shows runs while they train, in a browser: python -m resnet_jax watch runs.

FOLDER is a run's, or one with runs below it. The page, which this machine alone can open, shows the
figures and curves of all of them from their metrics.jsonl, and follows these. Ctrl-C ends it.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.tables import UserError
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_PORT = flags.DEFINE_integer(
    "port", 6007, "Port of the page; 0: a free one.", lower_bound=0, upper_bound=65_535,
    flag_values=FLAGS,
)  # fmt: skip
_SECONDS = flags.DEFINE_float(
    "seconds", 5.0, "Seconds between two looks at the files.", lower_bound=0.1, flag_values=FLAGS
)


def main(folder: str) -> dict[str, Any]:
    """Serves the page until Ctrl-C, and returns its address."""
    server = serving(shared_flags.folder(folder, "FOLDER"), _PORT.value, _SECONDS.value)
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"the page: {address} (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return {"address": address}


def serving(folder: Path, port: int, seconds: float) -> ThreadingHTTPServer:
    """A server of the page, to this machine alone.

    Raises:
      UserError: the folder holds no run, or another program listens at the port.
    """
    from resnet_jax.pages import watch

    watch.runs(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                if self.path == "/":
                    self._send("text/html", watch.page(folder, seconds))
                elif self.path == "/state":
                    self._send("application/json", json.dumps(watch.state(folder)))
                else:
                    self.send_error(404)
            except (UserError, OSError) as error:
                self.send_error(503, str(error))

        def _send(self, kind: str, text: str) -> None:
            content = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing of each request."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(
            f"--port={port} can't be listened at ({error.strerror}): give another, or 0"
        ) from None
