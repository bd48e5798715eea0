import type { Row } from "../src/types";

/** row is a request as the gateway lists it, but for the given part. */
export const row = (part: Partial<Row>): Row => ({
  request_id: "01KYEXQ8F2A1B2C3D4E5F6G7H8", time: "2026-11-26T12:00:00Z", api_key_id: "k1", api_key_name: "ci", operation: "chat", model: "gpt-5", provider: "openai", account: "main", upstream_model: "gpt-5",
  status: 200, stream: false, end_reason: "complete", attempts: [], prompt_tokens: 1, completion_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0, reasoning_tokens: 0, usage_source: "provider", cost_usd: 0, charged_usd: 0,
  reserved_usd: 0, price_version: "", price_source: "", ttft_ms: null, duration_ms: 5, overhead_us: 1, ...part,
});
