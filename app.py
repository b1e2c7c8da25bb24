"""Presize in the browser: python app.py"""

from __future__ import annotations

import argparse
import atexit
import getpass
import hmac
import os
import shutil
import signal
import sys
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

from core.environment import hide_secrets

if __name__ == "__main__":
    hide_secrets()  # before anything else, because it restarts the program

from plugins.panels.kit.serving.temporary import keep_swept, upload_folder

PASSWORD = "PRESIZE_AUTH"
QUEUE_SLEEPS, PROGRESS_SLEEPS = 0.1, 1.0  # seconds

# gradio and huggingface_hub read these when they are imported
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("FORWARDED_ALLOW_IPS", "")  # else any local process could fake the address of a request
os.environ["GRADIO_TEMP_DIR"] = str(upload_folder())
atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

import gradio as gr  # noqa: E402

from core.discovery import discover  # noqa: E402
from core.errors import BadInput  # noqa: E402
from core.publish.fetch import model_folder  # noqa: E402
from core.registry import panels  # noqa: E402
from core.runs.listing import runs_in  # noqa: E402
from core.runs.run import Run  # noqa: E402
from plugins.panels.kit.page.frame import frame  # noqa: E402
from plugins.panels.kit.page.page import Page  # noqa: E402
from plugins.panels.kit.page.theme import CSS, SCRIPT, run_first, theme  # noqa: E402
from plugins.panels.kit.project.models import model_of, warm  # noqa: E402
from plugins.panels.kit.project.project import Project  # noqa: E402
from plugins.panels.kit.serving.guards import EVERYWHERE, LOOPBACK, MCP, fetch_nothing, guards, is_loopback, known_hosts  # noqa: E402
from plugins.panels.kit.serving.limits import allow_many_connections, expiring_answers  # noqa: E402
from plugins.panels.kit.serving.mode import MCP_TOOL, Mode, default_workspace, on_a_space  # noqa: E402
from plugins.panels.kit.views.pictures import decode_apart  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Serve the app until it is stopped; returns the exit code: 0, or 2 for bad input."""
    args = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the temporary folder is removed
    try:
        mode = mode_of(args)
        launch(build(mode), mode, args)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def mode_of(args: argparse.Namespace) -> Mode:
    """The mode that the command-line options ask for; raises BadInput if there is no model to serve."""
    open_to_all = args.share or not is_loopback(args.host)
    if args.mcp and (open_to_all or args.auth):
        raise BadInput("--mcp is for programs on this computer; leave out --share, --auth and --host.")
    if args.mcp and find_spec("mcp") is None:
        raise BadInput("--mcp needs the package mcp; run: pip install 'gradio[mcp]'")
    kind: Any = "space" if on_a_space() else "shared" if args.auth else "local"
    if args.model:
        folder = model_folder(args.model, args.workspace)
        if not Run(folder).has_model:
            raise BadInput(f"{args.model!r} has no model; a run has one once it ends after at least one epoch.")
        return Mode(kind, args.workspace, folder, args.mcp, link=args.share, explain=args.explain)
    if kind != "local" or not open_to_all:
        return Mode(kind, args.workspace, mcp=args.mcp, link=args.share, explain=args.explain)
    model = next((run.folder for run in runs_in(args.workspace) if run.has_model), None)
    if model is None:
        raise BadInput(
            "Without a password, others are only served predictions, and there is no model yet; "
            "give --model FOLDER, or --auth USER to open the whole app."
        )
    print(
        f"Others are only served predictions of {model.name}; --auth USER opens the rest to anyone with the password."
    )
    return Mode(kind, args.workspace, model, link=args.share, explain=args.explain)


def warm_up(mode: Mode) -> None:
    """Load the model in the background, so that the first prediction does not wait for it."""
    with suppress(BadInput):
        warm(mode.model or model_of(Project(mode.workspace)))


def build(mode: Mode) -> gr.Blocks:
    """Build the Gradio app with the panels that this mode shows."""
    for name, failure in discover(panels=True).failures.items():
        print(f"warning: the plugin {name} was not loaded: {failure}", file=sys.stderr)
    page = Page(mode)
    shown = sorted((e for e in panels if not mode.model or getattr(e.factory, "serves_models", False)), key=_place)
    with gr.Blocks(title="Presize", analytics_enabled=False) as demo:
        frame(page, {entry.name: entry.factory for entry in shown})
        page.wire(demo)
    demo.queue(default_concurrency_limit=4, max_size=400, api_open=False)  # calls that bypass the queue are not limited
    demo._queue.sleep_when_free = QUEUE_SLEEPS  # it asks a thousand times a second whether there is an event
    demo._queue.progress_update_sleep_when_free = PROGRESS_SLEEPS  # and a hundred times whether gr.Progress has moved
    return demo


def _place(entry: Any) -> tuple[int, str]:
    return getattr(entry.factory, "place", sys.maxsize), entry.name


def launch(demo: gr.Blocks, mode: Mode, args: argparse.Namespace, **more: Any) -> None:
    """Serve the app behind its guards until it is stopped."""
    password = _password(args.auth) if args.auth else ""
    hosts = known_hosts(args.host, *os.environ.get("SPACE_HOST", "").split(","))  # a custom domain is a second one
    if not mode.local:
        os.umask(0o077)  # only the owner of this computer may read visitors' files
        decode_apart()
    keep_swept(Path(os.environ["GRADIO_TEMP_DIR"]), mode.keeps_uploads)
    fetch_nothing()
    run_first()
    allow_many_connections()

    def is_right(user: str, given: str) -> bool:
        return hmac.compare_digest(user.encode(), args.auth.encode()) & hmac.compare_digest(
            given.encode(), password.encode()
        )

    _, local, shared = _launch(
        demo,
        server_name=args.host,
        server_port=args.port,
        share=args.share,
        auth=is_right if args.auth else None,
        theme=theme(),
        css_paths=CSS,
        head=f"<script>{SCRIPT}</script>",
        app_kwargs={"middleware": guards(mode, hosts, bool(args.auth)), "lifespan": expiring_answers},
        max_file_size=mode.upload_limit,
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=mode.mcp,
        show_error=False,
        quiet=True,
        prevent_thread_lock=True,
        **more,
    )
    hosts += known_hosts(shared or "")
    Thread(target=warm_up, args=[mode], daemon=True).start()
    if args.host in EVERYWHERE:  # another machine cannot open 0.0.0.0
        local = local.replace("localhost", next((h for h in hosts if h not in LOOPBACK), "localhost"))
    print(f"Presize is at {local}" + (f" and, for anyone with the link, at {shared}" if shared else ""), flush=True)
    if mode.mcp:
        print(f"AI assistants find the tool {MCP_TOOL} at {local.rstrip('/')}{MCP}/?tools={MCP_TOOL}", flush=True)
    if mode.local and sys.stdout.isatty():
        webbrowser.open(local)
    demo.block_thread()


def _launch(demo: gr.Blocks, **options: Any) -> Any:
    try:
        return demo.launch(**options)
    except OSError:
        where = f"{options['server_name']}, port {options['server_port'] or 'any'}"
        raise BadInput(
            f"The app cannot be served at {where}: the port is in use, or the address does not belong to this machine; "
            "give another --port or --host."
        ) from None


def _password(user: str) -> str:
    try:
        password = os.environ.pop(PASSWORD, "") or getpass.getpass(f"Password for {user}: ")
    except EOFError:  # there is no terminal
        password = ""
    if not password:
        raise BadInput(f"The password is empty; set {PASSWORD} or type one.")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python app.py", description="Train an image classifier in the browser.")
    space = on_a_space()
    parser.add_argument("--host", default="0.0.0.0" if space else "127.0.0.1", help="the address to serve at")
    parser.add_argument("--port", type=int, help="7860, or the next free port")
    parser.add_argument("--workspace", type=Path, default=default_workspace(), help="the folder for runs (%(default)s)")
    parser.add_argument("--share", action="store_true", help="a public link for up to a week")
    parser.add_argument(
        "--auth", metavar="USER", help=f"the whole app for anyone with the password ({PASSWORD}, or a prompt)"
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="offer predictions to AI assistants on this computer",
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="only serve predictions of this run, folder or OWNER/NAME on the Hub"
    )
    parser.add_argument("--explain", action="store_true", help="others may see where the model looks in their photos")
    return parser


if __name__ == "__main__":
    sys.exit(main())
