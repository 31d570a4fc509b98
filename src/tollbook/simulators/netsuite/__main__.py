"""Run the simulator as its own process: `python -m tollbook.simulators.netsuite`."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from tollbook.simulators.netsuite.server import Simulator
from tollbook.simulators.netsuite.wire import JsonObject, dump, parse


def _json_or_file(text: str) -> JsonObject:
    data = text.encode() if text.lstrip().startswith("{") else Path(text).read_bytes()
    value = parse(data)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is expected")
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tollbook.simulators.netsuite")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--state", type=Path, help="SQLite file; without it, memory")
    parser.add_argument("--seed", type=int, default=0, help="decides when faults fire")
    for name in ("faults", "master", "credentials"):
        parser.add_argument(f"--{name}", type=_json_or_file, help="JSON text or a file of it")
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = _arguments()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with Simulator(**vars(given)) as simulator:
        sys.stdout.write(dump({"url": simulator.url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        stopping.wait()


if __name__ == "__main__":
    main()
