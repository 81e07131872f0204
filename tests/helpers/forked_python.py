"""`python` as DVC starts it in a copy of the repository: a fork of what has imported the libraries.

    python -IS tests/helpers/forked_python.py SOCKET PYTHON src/train.py

In: the socket of fork_server.py, the Python that runs anything but a script, and the words behind `python`.
It ends as the script does; signals go to the script, which ends when this process is killed.
"""

import json
import os
import signal
import socket
import sys


def main(server: str, python: str, *words: str) -> int:
    script = words[1:] if words[:1] == ("-I",) else words  # a fork is isolated: it has imported what it needs
    if not script or script[0].startswith("-"):
        os.execv(python, [python, *words])
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(server)
    message = {"words": script, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    socket.send_fds(connection, [json.dumps(message).encode()], [0, 1, 2])
    process = int(connection.recv(64))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: os.kill(process, received))
    code = int(connection.recv(64))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
