-- +goose Up

-- What gateways have taken of a limit for a time: spent (the rows) + all leases of a
-- counter never pass the limit.
CREATE TABLE limit_leases (
	counter text COLLATE "C" NOT NULL, -- a limit and a period of it
	boot text COLLATE "C" NOT NULL, -- who holds it
	instance text NOT NULL, -- whose data folder has what the holder used
	amount bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (counter, boot)
);
CREATE TABLE gateways (
	boot text COLLATE "C" PRIMARY KEY,
	instance text NOT NULL,
	seen timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_rollups_by_series ON usage_rollups (series, slot);
CREATE INDEX usage_series_by_key ON usage_series (key_id);

-- +goose Down
DROP TABLE limit_leases, gateways;
DROP INDEX usage_rollups_by_series, usage_series_by_key;
