"""Writes the data of the PyPI package genai-prices as JSON, for generate.go:

    python genai_facts.py > genai-prices.json
"""

import dataclasses
import json
from datetime import date, time
from decimal import Decimal

from genai_prices.data import providers

NAMES = {"ClauseEquals": "equals", "ClauseStartsWith": "starts_with", "ClauseEndsWith": "ends_with",
         "ClauseContains": "contains", "ClauseRegex": "regex", "ClauseOr": "or", "ClauseAnd": "and"}


def clause(c):
    value = next(v for v in vars(c).values())
    return {NAMES[type(c).__name__]: [clause(x) for x in value] if isinstance(value, list) else str(value)}


def plain(v):
    if isinstance(v, Decimal):
        return float(v)
    if isinstance(v, (date, time)):
        return v.isoformat()
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items() if x is not None}
    if dataclasses.is_dataclass(v) or hasattr(v, "__dict__"):
        return {k: plain(x) for k, x in vars(v).items() if x is not None and not k.startswith("_")}
    return v


out = []
for p in providers:
    models = [{"id": m.id, "name": m.name or "", "match": clause(m.match), "context_window": m.context_window or 0,
               "price_comments": m.price_comments or "", "prices": plain(m.prices), "price_variants": plain(m.price_variants or [])} for m in p.models]
    out.append({"id": p.id, "fallback": p.fallback_model_providers or [], "models": models})
print(json.dumps(out, indent=1, sort_keys=True))
