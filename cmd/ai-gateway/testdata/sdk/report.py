"""What the Python client scripts share: settings, tools, and reporting."""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback

GATEWAY = os.environ["GATEWAY"]
KEY = os.environ["KEY"]
FORMAT = os.environ["FORMAT"]  # of the upstream
MODEL, THINKER = os.environ["MODEL"], os.environ["THINKER"]
OTHER = os.environ["OTHER"]  # a model of the other vendor
LIMITED, FLAKY = os.environ["LIMITED"], os.environ["FLAKY"]
BROKEN, CUT = os.environ["BROKEN"], os.environ["CUT"]

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SAW = "I see image/png 70"
GREETING = "Grüezi 👋 sys=Be brief. turns=%d last=%s"

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
NOTHING = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def use(name, args):
    """The tools, for real: the model's answer quotes what they return."""
    if name == "get_weather":
        return f"{args['days'] * 10} °C in {args['city']}"
    assert name == "get_time" and args == {}, (name, args)
    return "12:00"


ZURICH = 'The tools said: 20 °C in Zürich "ZH"'
BOTH = "The tools said: 10 °C in Paris | 30 °C in Oslo"
CLOCK = "The tools said: 12:00"
STEPS = 'The tools said: 20 °C in Zürich "ZH" | 12:00'

scenarios = []


def scenario(f):
    scenarios.append(f)
    return f


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


class Raised:
    """A context that demands an exception of a class and keeps it."""

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _):
        assert kind is not None, f"no {self.kind.__name__} was raised"
        self.error = value
        return issubclass(kind, self.kind)


def main():
    for f in scenarios:
        error, start = None, time.monotonic()
        try:
            r = f()
            if inspect.iscoroutine(r):
                asyncio.run(r)
        except BaseException as e:  # noqa: BLE001: every failure is reported
            at = traceback.extract_tb(sys.exc_info()[2])
            error = f"{type(e).__name__}: {e} ({at[1].lineno if len(at) > 1 else '?'})"
        print(json.dumps({"scenario": f.__name__, "error": error, "seconds": round(time.monotonic() - start, 2)}), flush=True)
