// What the admin API answers, as far as the page reads it.

export interface Session { name: string; scopes: string[]; admin: boolean; csrf_token: string; expires_at: string }
export interface Page<T> { data: T[]; next_cursor: string; partial?: boolean; looked_to?: string }

export interface Sums {
  requests: number; errors: number; estimated: number;
  prompt_tokens: number; completion_tokens: number; cache_read_tokens: number; cache_write_tokens: number; reasoning_tokens: number;
  cost_usd: number; charged_usd: number; unconfirmed_usd?: number; duration_ms: number;
  images?: number; audio_seconds?: number; characters?: number; search_units?: number;
  latency_ms?: Percentiles; ttft_ms?: Percentiles;
}
export interface Percentiles { p50: number | null; p95: number | null; p99: number | null }
export type Group = Sums & Partial<Record<string, string | number | Percentiles | undefined>> & { key_name?: string };
export interface Usage {
  data: Group[]; total: Sums; group_by: string[]; since: string; until: string; time_zone: string;
  partial?: boolean; next_cursor?: string; key?: string; previous?: { data: Group[]; total: Sums };
}

export interface Attempt { provider: string; account: string; model: string; status: number; outcome: string; start_ms: number; duration_ms: number; error?: string; cost_usd: number; prompt_tokens?: number; completion_tokens?: number; usage_source?: string }
export interface Row {
  request_id: string; client_request_id?: string; time: string; api_key_id: string; api_key_name: string; group?: string; end_user?: string;
  operation: string; dialect?: string; model: string; provider: string; account: string; upstream_model: string; upstream_request_id?: string;
  status: number; stream: boolean; end_reason: string; attempts: Attempt[];
  prompt_tokens: number; completion_tokens: number; cache_read_tokens: number; cache_write_tokens: number; reasoning_tokens: number;
  images?: number; audio_seconds?: number; characters?: number; search_units?: number;
  usage_source: string; cost_usd: number; charged_usd: number; unconfirmed_usd?: number; adjusted_usd?: number; reserved_usd: number;
  price_version: string; price_source: string; flags?: string[]; ttft_ms: number | null; duration_ms: number; overhead_us: number;
  error?: string; metadata?: Record<string, string>; node?: string;
}
export interface CostLine { attempt?: number; kind: string; units: number; usd_per_million: number; cost_usd: number; note?: string }
export interface RowDetail extends Row { trace: string[]; cost_lines?: CostLine[]; cost_note?: string }
export interface Bodies { request_id: string; path: string; status: number; request: string; request_size: number; answer: string; answer_size: number; time: string }

export interface LiveEvent {
  type: string; time: string; request_id?: string; api_key_id?: string; api_key_name?: string; operation?: string; dialect?: string;
  model?: string; stream?: boolean; accepted_at?: string; provider?: string; account?: string; upstream_model?: string; ttft_ms?: number;
  row?: Row; dropped?: number; node?: string;
}
/** A gateway on the same database that does not answer the others. */
export interface UnreachableNode { node: string; url: string; error: string }
export interface InFlight { data: LiveEvent[]; unreachable?: UnreachableNode[] }

export interface Limit {
  policy: string; policy_id?: string; scope?: string; kind: string; window?: string; limit: number; used: number; reserved: number; remaining: number;
  in_flight: number; resets_at: string | null; overspend_bound?: string; percent?: number;
}
export interface ApiKey {
  id: string; name: string; prefix: string; scopes: string[]; models: string[]; ip_allow: string[]; group?: string; metadata?: Record<string, string>;
  on_disconnect?: string; log_bodies?: string; markup?: string; status: string; created_at: string; created_by?: string; expires_at: string | null;
  paused_at?: string | null; revoked_at?: string | null; last_used_at?: string | null; previous_until?: string | null; weak?: boolean; limits?: Limit[]; used?: Sums;
}
export interface NewKey extends ApiKey { key: string }

export interface TargetHealth { model: string; key_hint?: string; state: string; until: string | null; in_flight: number; good: number; failures: number; latency_ms?: number; stream_latency_ms?: number; last_error?: string; last_failed_at?: string | null; allowed?: Allowance[]; allowed_at?: string }
export interface Allowance { kind: string; limit?: number; left: number; resets_at: string | null }
export interface Health { state: string; serving: boolean; cooldown_until: string | null; last_error?: string; last_error_at?: string | null; targets: TargetHealth[] }
export interface Account {
  id: string; provider: string; account_name: string; base_url: string; api_key_hint: string; api_keys: { hint: string; weight: number }[] | null;
  models: string[] | Record<string, string>; weight: number; priority: number; enabled: boolean; headers?: Record<string, string>;
  params?: unknown; options?: Record<string, unknown>; proxy?: string; http2?: boolean; timeouts?: Record<string, string>; prices?: Record<string, Record<string, number>>;
  origin: string; read_only: boolean; local?: boolean; listed_models: number; created_at?: string; note?: string; health?: Health;
}
export interface TestResult { ok: boolean; latency_ms: number; model: string; status?: number; error?: string; note?: string; cost_usd: number }
export interface ProviderInfo {
  name: string; title: string; aliases: string[]; base_url: string; needs_base_url: boolean; needs_key: boolean; local: boolean;
  dialects: string[]; operations: string[]; env_keys: string[]; models: string[];
  options: { name: string; required: boolean; description: string; example?: string }[]; accounts: number;
}

export interface Target { provider?: string; account?: string; model: string; weight?: number; priority?: number }
export interface Mapping { id: string; alias: string; targets: Target[]; strategy?: string; fallbacks?: Record<string, string[]>; origin: string; read_only: boolean; created_at?: string }
export interface ExplainTarget {
  provider: string; account: string; model: string; eligible: boolean; reason: string; order: number; priority: number; weight: number; dialect?: string;
  estimated_cost_usd: number | null; price_source?: string; state?: string; cooldown_until?: string | null; last_error?: string;
}
export interface Explain {
  model: string; operation: string; key?: string; rule?: string; aliased: boolean; strategy?: string; targets: ExplainTarget[]; price_version?: string;
  error?: { message: string; code: string | null };
}
export interface Price { input: number; output: number; cache_read: number; cache_write_5m: number; cache_write_1h: number; reasoning: number }
export interface Model {
  id: string; alias?: boolean; provider: string; accounts: string[]; title?: string; operation?: string; context_window?: number; max_output_tokens?: number;
  priced: boolean; price?: Price; tiers?: { above: number; price: Price }[]; source?: string; as_of?: string;
}
export interface Catalogue { data: Model[]; version: string; refreshed?: { account: string; models: number; error?: string }[] }

export interface PolicyScope { api_key?: string; group?: string; account?: string; global?: boolean; model?: string }
export interface PolicyLimit { kind: string; limit: number; window?: string; burst?: number }
export interface Policy {
  id: string; name: string; scope: PolicyScope; limits: PolicyLimit[]; mode: string; default_max_tokens: number; on_store_outage: string;
  time_zone: string; soft_percent: number; origin: string; read_only: boolean; created_at?: string; usage: Limit[] | null;
}

export interface AuditRow { id: string; time: string; actor: string; actor_name?: string; action: string; object: string; before?: unknown; after?: unknown; ip?: string }
export interface Setting { path: string; value: string; origin: string; where?: string }

export interface Series {
  requests: number[]; errors: number[]; prompt_tokens: number[]; completion_tokens: number[]; cost_usd: number[];
  latency_p50: (number | null)[]; latency_p95: (number | null)[]; latency_p99: (number | null)[]; ttft_p50: (number | null)[]; ttft_p95: (number | null)[];
}
export interface OverviewGroup { name: string; label?: string; total: Sums; requests: number[]; errors: number[]; cost_usd: number[] }
export interface Budget extends Limit { since: string | null; percent: number; projected_percent: number | null; exhausted_at: string | null }
export interface Change { time: string; kind: string; severity: "info" | "warn" | "bad"; object: string; object_id?: string; text: string }
export interface Overview {
  since: string; until: string; time_zone: string; step: string; by: string; times: string[]; total: Sums; previous: Sums; series: Series;
  groups: OverviewGroup[]; end_reasons: OverviewGroup[]; saved_usd?: number; budgets: Budget[]; changes: Change[];
}
export interface EffectiveSetting { name: string; value: string; default: string; origin: string; where?: string; env: string; flag: string; description: string; restart: boolean }
export interface Settings { data: EffectiveSetting[]; revision: number; file?: string }
export interface Notifications { webhook: string; template: string; events: string[]; repeat: string; sent: number; failed: number; dropped: number; waiting: number; last_sent?: string; last_error?: string }
export interface Status {
  version: string; go_version: string; started_at: string; revision: number; in_flight: number; goroutines: number; heap_bytes: number; sys_bytes: number;
  store: { kind: string; bytes: number; day_files: number; oldest_day?: string };
  ledger: { committed: number; lag: number; sync_p99_ms: number | null; open_holds: number; error?: string; disk_is_full: boolean };
}
