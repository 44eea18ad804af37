"""A mail server of our own, for what no real one says: answers by the words of each command."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Scripted:
    """A server of our own, for what no real one says: answers by the words of each command."""

    def __init__(self, answers: dict[bytes, list[bytes]]) -> None:
        self.answers, self.heard = answers, []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                stream.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
                for line in stream:
                    if not self._answer(stream, line):
                        break

    def _answer(self, stream: socket.SocketIO, line: bytes) -> bool:
        tag, _, rest = line.strip().partition(b" ")
        self.heard.append(rest)
        if tag == b"DONE":
            stream.write(self._waiting + b" OK done\r\n")
            return True
        self._waiting = tag
        for words, answers in self.answers.items():
            if words in rest and answers:
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                stream.write(answer.replace(b"TAG", tag))
                return b"DROP" not in answer
        stream.write(tag + b" OK done\r\n")
        return True


HEAD = b'* 1 FETCH (UID %d RFC822.SIZE 10 INTERNALDATE "28-Nov-2026 10:00:00 +0000")\r\n'
BODY = b"* 1 FETCH (UID %d BODY[]<0> {5}\r\nhello)\r\n"


@contextmanager
def scripted(**changed: list[bytes]) -> Iterator[Scripted]:
    answers = {
        b"CAPABILITY": [b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"],
        b"EXAMINE": [b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\nTAG OK [READ-ONLY] done\r\n"],
        b"UID 1:*": [b"* SEARCH 1 2\r\nTAG OK done\r\n"],
        b"UID SEARCH UID": [b"* SEARCH 1 2\r\nTAG OK done\r\n"],
        b"RFC822.SIZE": [HEAD % 1 + HEAD % 2 + b"TAG OK done\r\n"],
        b"FETCH 1,2 (BODY": [BODY % 1 + BODY % 2 + b"TAG OK done\r\n"],
        b"FETCH 1 (BODY": [BODY % 1 + b"TAG OK done\r\n"],
        b"FETCH 2 (BODY": [BODY % 2 + b"TAG OK done\r\n"],
    }
    by_name = {words.replace(b" ", b"_").replace(b",", b"_").decode(): words for words in answers}
    server = Scripted(answers | {by_name[name]: said for name, said in changed.items()})
    try:
        yield server
    finally:
        server.close()
