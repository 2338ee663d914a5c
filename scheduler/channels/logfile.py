"""A file with one line of JSON per message: for a trial, and for whatever reads files."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from scheduler.channels import ChannelDown, Message, Reach


@dataclass(frozen=True, slots=True)
class LogFile:
    path: Path
    name: str = "logfile"
    reach: Reach = "email"

    def send(self, message: Message, recipient: str) -> bool:
        line = json.dumps(_line(message, recipient), ensure_ascii=False) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ChannelDown(f"{self.path}: {error}") from error
        return False


def _line(message: Message, recipient: str) -> dict[str, str]:
    return {
        "at": message.at.isoformat(),
        "id": message.id_for(recipient),
        "key": message.key,
        "to": recipient,
        "subject": message.subject,
        "body": message.body,
    }
