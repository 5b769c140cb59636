"""Real kernels for tests, and what their cells send."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from helpers.course.unattended import answer, environment, question

PATIENCE = 60  # seconds; generous, only so that nothing hangs


@dataclass
class Shown:
    """What one cell has sent."""

    displays: list[dict[str, Any]] = field(default_factory=list)  # as first sent
    updates: list[dict[str, Any]] = field(default_factory=list)
    printed: str = ""
    error: dict[str, Any] = field(default_factory=dict)
    status: str = ""

    @property
    def transcript(self) -> str:
        """The first output, as it was last."""
        return str((self.updates or self.displays)[-1 if self.updates else 0]["data"]["text/html"])


class Kernel:
    """A kernel, and cells run in it one after the other."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, cell: str) -> Iterator[tuple[Shown, dict[str, Any]]]:
        """Run a cell; yield each message it sends, with all that was shown so far, until it has ended."""
        shown = Shown()
        request = self.client.execute(cell)
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "display_data" | "execute_result":
                    shown.displays.append(content)
                case "update_display_data":
                    shown.updates.append(content)
                case "stream":
                    shown.printed += content["text"]
                case "error":
                    shown.error = content
                case "status" if content["execution_state"] == "idle":
                    shown.status = self.reply_to(request)["content"]["status"]
                    yield shown, message
                    return
            yield shown, message

    def run(self, cell: str) -> Shown:
        """Run a cell to its end."""
        return [shown for shown, _ in self.start(cell)][-1]

    def value(self, expression: str) -> Any:
        """The value of an expression that JSON can say."""
        code = f"import json; print(json.dumps({expression}))"
        return json.loads(self.run(code).printed)

    def ask(self, name: str) -> list[str]:
        return answer(self.reply_to(self.client.execute(**question(name))))

    def reply_to(self, request: str) -> dict[str, Any]:
        while True:
            reply: dict[str, Any] = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == request:
                return reply


@contextmanager
def fresh_kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel in a folder, with the magics; in the end it must have left nothing running."""
    manager, client = start_new_kernel(
        kernel_name="python3",
        cwd=str(folder),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        kernel = Kernel(manager, client)
        kernel.ask("watch")
        assert kernel.run("%load_ext helpers").status == "ok"
        yield kernel
        assert kernel.ask("leftovers") == []
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
