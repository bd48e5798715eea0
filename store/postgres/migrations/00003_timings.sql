-- +goose Up

-- Histograms of durations by quarter of an hour and series (level 3: model, provider
-- and account), as store.Timing writes them. They hold the rows of timed boots alone:
-- those of which every row was written by a gateway that knows this table.
CREATE TABLE usage_timings (
	slot integer NOT NULL,
	series integer NOT NULL,
	timing bytea NOT NULL,
	PRIMARY KEY (slot, series)
) WITH (fillfactor = 70); -- the newest are updated all the time
ALTER TABLE usage_timings ALTER timing SET STORAGE MAIN;
-- Series are never removed, and looking each up costs as much as its roll-up.
ALTER TABLE usage_rollups DROP CONSTRAINT usage_rollups_series_fkey;
ALTER TABLE ledger_boots ADD COLUMN timed boolean NOT NULL DEFAULT false;

-- +goose Down
DROP TABLE usage_timings;
ALTER TABLE ledger_boots DROP COLUMN timed;
DELETE FROM usage_series WHERE level = 3;
ALTER TABLE usage_rollups ADD CONSTRAINT usage_rollups_series_fkey FOREIGN KEY (series) REFERENCES usage_series NOT VALID;
