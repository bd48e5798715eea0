-- +goose Up
SET LOCAL statement_timeout = 0; -- two years of many keys take minutes

-- The roll-ups of level 1 and 2 once more by hours and by UTC days, for sums over
-- much time. slot is the span's first. What is summed is what the roll-ups sum.
CREATE TABLE usage_spans (
	hours smallint NOT NULL, -- 1 or 24
	LIKE usage_rollups,
	PRIMARY KEY (hours, level, slot, series)
) WITH (fillfactor = 70); -- the newest are updated all the time
CREATE INDEX usage_spans_by_series ON usage_spans (series, slot);

-- Gateways write both and say so. For one of an older version, which may go on while
-- others are brought up to date, a trigger adds what it inserts into the roll-ups or by
-- how much it changes them.
-- +goose StatementBegin
DO $do$
DECLARE
	names text; changes text; adds text; sums text;
BEGIN
	SELECT string_agg(quote_ident(a), ', ' ORDER BY n), string_agg(format('NEW.%1$I - coalesce(OLD.%1$I, 0)', a), ', ' ORDER BY n),
		string_agg(format('%1$I = saturating_add(r.%1$I, excluded.%1$I)', a), ', ' ORDER BY n),
		string_agg(format('least(greatest(sum(%1$I), -9223372036854775808), 9223372036854775807)', a), ', ' ORDER BY n)
	INTO names, changes, adds, sums
	FROM (SELECT attname, attnum FROM pg_attribute WHERE attrelid = 'usage_rollups'::regclass AND attnum > 0 AND NOT attisdropped
		AND attname NOT IN ('level', 'slot', 'series')) c(a, n);
	EXECUTE format($sql$
		CREATE FUNCTION usage_spans_add() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO usage_spans AS r (hours, level, slot, series, %s)
				SELECT w.hours, NEW.level, NEW.slot / (4 * w.hours) * (4 * w.hours), NEW.series, %s FROM (VALUES (1::smallint), (24)) w(hours)
				ON CONFLICT (hours, level, slot, series) DO UPDATE SET %s;
			RETURN NULL;
		END
		$$ $sql$, names, changes, adds);
	EXECUTE format($sql$
		INSERT INTO usage_spans (hours, level, slot, series, %s)
			SELECT w.hours, level, slot / (4 * w.hours) * (4 * w.hours), series, %s
			FROM usage_rollups CROSS JOIN (VALUES (1::smallint), (24)) w(hours) WHERE level IN (1, 2) GROUP BY 1, 2, 3, 4 $sql$, names, sums);
END
$do$;
-- +goose StatementEnd
CREATE TRIGGER usage_spans_add AFTER INSERT OR UPDATE ON usage_rollups FOR EACH ROW
	WHEN (NEW.level IN (1, 2) AND current_setting('ai_gateway.spans', true) IS DISTINCT FROM 'written') EXECUTE FUNCTION usage_spans_add();
CREATE INDEX usage_series_by_level ON usage_series (level, key_id);
DROP INDEX usage_series_by_key;

-- +goose Down
DROP TABLE usage_spans;
DROP TRIGGER usage_spans_add ON usage_rollups;
DROP FUNCTION usage_spans_add;
CREATE INDEX usage_series_by_key ON usage_series (key_id);
DROP INDEX usage_series_by_level;
