"""Computes usage and price of recorded answers by genai-prices, apart from the gateway.

Reads lines {"id", "provider", "flavors", "model", "doc"}; writes lines {"id", "nano", "usage", "error"}.
"""

import json
import sys
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

from genai_prices import calc_price, extract_usage

# At this hour the vendors that have dearer hours have them; the gateway charges those.
when = datetime.fromisoformat(sys.argv[1]).replace(hour=2, tzinfo=timezone.utc)
for line in sys.stdin:
    c = json.loads(line)
    out = {"id": c["id"], "error": "", "nano": 0, "usage": {}}
    for flavor in c["flavors"]:
        try:
            usage = extract_usage(c["doc"], provider_id=c["provider"], api_flavor=flavor).usage
            price = calc_price(usage, c["model"], provider_id=c["provider"], genai_request_timestamp=when)
        except Exception as e:  # noqa: BLE001: whatever is wrong is the answer
            out["error"] = f"{type(e).__name__}: {e}"[:200]
            continue
        out["error"] = ""
        out["nano"] = int((price.total_price * 10**9).quantize(Decimal(1), ROUND_HALF_UP))
        out["usage"] = {k: v for k, v in vars(usage).items() if v}
        out["matched"] = price.model.id
        break
    print(json.dumps(out, default=str), flush=True)
