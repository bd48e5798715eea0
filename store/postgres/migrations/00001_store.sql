-- +goose Up

-- The revision of the configuration; each change takes its lock.
CREATE TABLE store_state (
	one bool PRIMARY KEY DEFAULT true CHECK (one),
	rev bigint NOT NULL DEFAULT 0,
	rows_from date, -- retention has removed the rows of the days before
	sums_from integer NOT NULL DEFAULT 0 -- and the roll-ups of the slots before
);
INSERT INTO store_state DEFAULT VALUES;

-- Configuration. record is the whole; the other columns find it and keep it single.
CREATE TABLE api_keys (
	id text COLLATE "C" PRIMARY KEY,
	hash bytea NOT NULL UNIQUE, -- SHA-256 of the key, which is not kept
	record json NOT NULL
);
CREATE TABLE provider_accounts (id text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, record json NOT NULL);
CREATE TABLE model_mappings (id text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, record json NOT NULL);
CREATE TABLE quota_policies (id text COLLATE "C" PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, record json NOT NULL);
CREATE TABLE settings (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE audit_log (
	id text COLLATE "C" PRIMARY KEY, -- ULID
	time timestamptz NOT NULL,
	actor text NOT NULL,
	action text NOT NULL,
	object text NOT NULL,
	ip text NOT NULL,
	record json NOT NULL -- the whole, with what was before and after
);

-- What of each process's log is in this database.
CREATE TABLE ledger_boots (
	num integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	boot text COLLATE "C" NOT NULL UNIQUE, -- ULID of a process start
	applied bigint NOT NULL DEFAULT 0
);

-- Entries that the database would not take, for people to look at.
CREATE TABLE ledger_quarantine (
	boot text NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	request_id text NOT NULL,
	error text NOT NULL,
	entry bytea NOT NULL,
	PRIMARY KEY (boot, seq)
);

-- One row a request, one partition a UTC day. record is the whole row, which the
-- gateway reads; the other columns are for searches and for people.
CREATE TABLE usage_logs (
	time timestamptz NOT NULL, -- of admission
	ns smallint NOT NULL, -- nanoseconds that time cannot say
	boot integer NOT NULL,
	seq bigint NOT NULL,
	request_id text COLLATE "C" NOT NULL,
	client_request_id text NOT NULL,
	api_key_id text COLLATE "C" NOT NULL,
	api_key_name text NOT NULL,
	key_group text NOT NULL,
	end_user text NOT NULL,
	operation text NOT NULL,
	dialect text NOT NULL,
	model text COLLATE "C" NOT NULL,
	provider text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	upstream_model text NOT NULL,
	status integer NOT NULL,
	stream boolean NOT NULL,
	end_reason text COLLATE "C" NOT NULL,
	failed boolean NOT NULL,
	attempts smallint NOT NULL,
	prompt_tokens bigint NOT NULL, -- all input, cache included
	completion_tokens bigint NOT NULL, -- all output, reasoning included
	cache_read_tokens bigint NOT NULL,
	cache_write_tokens bigint NOT NULL,
	reasoning_tokens bigint NOT NULL,
	usage_source text NOT NULL,
	cost_usd numeric(20,9) NOT NULL,
	price_version text NOT NULL,
	ttft_ms double precision NOT NULL,
	duration_ms double precision NOT NULL,
	overhead_us bigint NOT NULL,
	error text NOT NULL,
	summed_as text COLLATE "C", -- the model in the roll-ups where it is another
	record bytea NOT NULL,
	PRIMARY KEY (time, ns, boot, seq)
) PARTITION BY RANGE (time);
CREATE INDEX usage_logs_by_key ON usage_logs (api_key_id, time, ns, boot, seq);
CREATE INDEX usage_logs_by_request ON usage_logs ("right"(request_id, 8));

-- Corrections of rows, as they were made.
CREATE TABLE usage_corrections (
	boot integer NOT NULL,
	seq bigint NOT NULL,
	row_time timestamptz NOT NULL, -- of the row corrected
	request_id text NOT NULL,
	delta_nano bigint NOT NULL,
	entry bytea NOT NULL,
	PRIMARY KEY (boot, seq)
);
CREATE INDEX usage_corrections_by_time ON usage_corrections (row_time);

-- Roll-ups: sums by quarter of an hour (slot = seconds since 1970 / 900) and series.
-- Level 0 has all dimensions, 1 is without keys, 2 by key alone.
CREATE TABLE usage_series (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	digest bytea NOT NULL UNIQUE,
	level smallint NOT NULL,
	key_id text COLLATE "C" NOT NULL,
	model text COLLATE "C" NOT NULL,
	provider text COLLATE "C" NOT NULL,
	account text COLLATE "C" NOT NULL,
	end_reason text COLLATE "C" NOT NULL,
	key_group text COLLATE "C" NOT NULL
);
CREATE TABLE usage_rollups (
	level smallint NOT NULL,
	slot integer NOT NULL,
	series integer NOT NULL REFERENCES usage_series,
	requests bigint NOT NULL, errors bigint NOT NULL, estimated bigint NOT NULL,
	cost_nano bigint NOT NULL, duration_ns bigint NOT NULL,
	markup_nano bigint NOT NULL, unconfirmed_nano bigint NOT NULL, unconfirmed_tokens bigint NOT NULL,
	input bigint NOT NULL, input_audio bigint NOT NULL, input_image bigint NOT NULL,
	cache_read bigint NOT NULL, cache_write_5m bigint NOT NULL, cache_write_1h bigint NOT NULL,
	output bigint NOT NULL, output_audio bigint NOT NULL, output_image bigint NOT NULL, reasoning bigint NOT NULL,
	images bigint NOT NULL, audio_ms bigint NOT NULL, characters bigint NOT NULL, searches bigint NOT NULL,
	PRIMARY KEY (level, slot, series)
) WITH (fillfactor = 70); -- the newest are updated all the time
CREATE TABLE rollup_models (
	name text COLLATE "C" PRIMARY KEY, -- of a model that has series of its own
	day integer NOT NULL -- since 1970, on which it was first seen
);
CREATE INDEX rollup_models_by_day ON rollup_models (day);
CREATE TABLE key_names (id text COLLATE "C" PRIMARY KEY, name text NOT NULL); -- last seen in a row

-- +goose StatementBegin
CREATE FUNCTION saturating_add(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE
		WHEN b > 0 AND a > 9223372036854775807 - b THEN 9223372036854775807
		WHEN b < 0 AND a < -9223372036854775807 - 1 - b THEN -9223372036854775807 - 1
		ELSE a + b END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE usage_rollups, usage_series, rollup_models, key_names, usage_corrections, usage_logs, ledger_quarantine, ledger_boots,
	audit_log, settings, quota_policies, model_mappings, provider_accounts, api_keys, store_state;
DROP FUNCTION saturating_add;
