-- +goose Up
SET LOCAL statement_timeout = 0; -- two years of many keys take minutes

-- The roll-ups of level 1 and 2 once more by hours and by UTC days, for sums over
-- much time. slot is the span's first. A trigger keeps them, so that a gateway of an
-- older version may go on while others are brought up to date.
CREATE TABLE usage_spans (
	hours smallint NOT NULL, -- 1 or 24
	level smallint NOT NULL,
	slot integer NOT NULL,
	series integer NOT NULL,
	requests bigint NOT NULL, errors bigint NOT NULL, estimated bigint NOT NULL, cost_nano bigint NOT NULL, duration_ns bigint NOT NULL,
	markup_nano bigint NOT NULL, unconfirmed_nano bigint NOT NULL, unconfirmed_tokens bigint NOT NULL, input bigint NOT NULL, input_audio bigint NOT NULL,
	input_image bigint NOT NULL, cache_read bigint NOT NULL, cache_write_5m bigint NOT NULL, cache_write_1h bigint NOT NULL, output bigint NOT NULL,
	output_audio bigint NOT NULL, output_image bigint NOT NULL, reasoning bigint NOT NULL, images bigint NOT NULL, audio_ms bigint NOT NULL,
	characters bigint NOT NULL, searches bigint NOT NULL,
	PRIMARY KEY (hours, level, slot, series)
) WITH (fillfactor = 70); -- the newest are updated all the time
CREATE INDEX usage_spans_by_series ON usage_spans (series, slot);

-- Adds what was inserted into the roll-ups, or by how much they were changed. Writers
-- of different quarters of an hour meet here, in any order: the lock keeps two from
-- waiting for each other. Without nested loops, since a plan made for a small batch is
-- kept for large ones.
-- +goose StatementBegin
CREATE FUNCTION usage_spans_add() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
	at integer;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('usage_spans'), hashtext(current_schema()));
	FOR at IN SELECT DISTINCT slot FROM added ORDER BY 1 LOOP
		INSERT INTO usage_spans AS r SELECT w.hours, n.level, n.slot / (4 * w.hours) * (4 * w.hours), n.series,
			n.requests, n.errors, n.estimated, n.cost_nano, n.duration_ns, n.markup_nano, n.unconfirmed_nano, n.unconfirmed_tokens,
			n.input, n.input_audio, n.input_image, n.cache_read, n.cache_write_5m, n.cache_write_1h, n.output, n.output_audio,
			n.output_image, n.reasoning, n.images, n.audio_ms, n.characters, n.searches
		FROM added n CROSS JOIN (VALUES (1::smallint), (24)) w(hours) WHERE n.slot = at AND n.level IN (1, 2)
		ON CONFLICT (hours, level, slot, series) DO UPDATE SET
			requests = saturating_add(r.requests, excluded.requests), errors = saturating_add(r.errors, excluded.errors), estimated = saturating_add(r.estimated, excluded.estimated),
			cost_nano = saturating_add(r.cost_nano, excluded.cost_nano), duration_ns = saturating_add(r.duration_ns, excluded.duration_ns), markup_nano = saturating_add(r.markup_nano, excluded.markup_nano),
			unconfirmed_nano = saturating_add(r.unconfirmed_nano, excluded.unconfirmed_nano), unconfirmed_tokens = saturating_add(r.unconfirmed_tokens, excluded.unconfirmed_tokens), input = saturating_add(r.input, excluded.input),
			input_audio = saturating_add(r.input_audio, excluded.input_audio), input_image = saturating_add(r.input_image, excluded.input_image), cache_read = saturating_add(r.cache_read, excluded.cache_read),
			cache_write_5m = saturating_add(r.cache_write_5m, excluded.cache_write_5m), cache_write_1h = saturating_add(r.cache_write_1h, excluded.cache_write_1h), output = saturating_add(r.output, excluded.output),
			output_audio = saturating_add(r.output_audio, excluded.output_audio), output_image = saturating_add(r.output_image, excluded.output_image), reasoning = saturating_add(r.reasoning, excluded.reasoning),
			images = saturating_add(r.images, excluded.images), audio_ms = saturating_add(r.audio_ms, excluded.audio_ms), characters = saturating_add(r.characters, excluded.characters),
			searches = saturating_add(r.searches, excluded.searches);
	END LOOP;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION usage_spans_change() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
	at integer;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('usage_spans'), hashtext(current_schema()));
	FOR at IN SELECT DISTINCT slot FROM added ORDER BY 1 LOOP
		INSERT INTO usage_spans AS r SELECT w.hours, level, slot / (4 * w.hours) * (4 * w.hours), series,
			n.requests - o.requests, n.errors - o.errors, n.estimated - o.estimated, n.cost_nano - o.cost_nano, n.duration_ns - o.duration_ns, n.markup_nano - o.markup_nano, n.unconfirmed_nano - o.unconfirmed_nano, n.unconfirmed_tokens - o.unconfirmed_tokens,
			n.input - o.input, n.input_audio - o.input_audio, n.input_image - o.input_image, n.cache_read - o.cache_read, n.cache_write_5m - o.cache_write_5m, n.cache_write_1h - o.cache_write_1h, n.output - o.output, n.output_audio - o.output_audio,
			n.output_image - o.output_image, n.reasoning - o.reasoning, n.images - o.images, n.audio_ms - o.audio_ms, n.characters - o.characters, n.searches - o.searches
		FROM added n JOIN removed o USING (level, slot, series) CROSS JOIN (VALUES (1::smallint), (24)) w(hours) WHERE slot = at AND level IN (1, 2)
		ON CONFLICT (hours, level, slot, series) DO UPDATE SET
			requests = saturating_add(r.requests, excluded.requests), errors = saturating_add(r.errors, excluded.errors), estimated = saturating_add(r.estimated, excluded.estimated),
			cost_nano = saturating_add(r.cost_nano, excluded.cost_nano), duration_ns = saturating_add(r.duration_ns, excluded.duration_ns), markup_nano = saturating_add(r.markup_nano, excluded.markup_nano),
			unconfirmed_nano = saturating_add(r.unconfirmed_nano, excluded.unconfirmed_nano), unconfirmed_tokens = saturating_add(r.unconfirmed_tokens, excluded.unconfirmed_tokens), input = saturating_add(r.input, excluded.input),
			input_audio = saturating_add(r.input_audio, excluded.input_audio), input_image = saturating_add(r.input_image, excluded.input_image), cache_read = saturating_add(r.cache_read, excluded.cache_read),
			cache_write_5m = saturating_add(r.cache_write_5m, excluded.cache_write_5m), cache_write_1h = saturating_add(r.cache_write_1h, excluded.cache_write_1h), output = saturating_add(r.output, excluded.output),
			output_audio = saturating_add(r.output_audio, excluded.output_audio), output_image = saturating_add(r.output_image, excluded.output_image), reasoning = saturating_add(r.reasoning, excluded.reasoning),
			images = saturating_add(r.images, excluded.images), audio_ms = saturating_add(r.audio_ms, excluded.audio_ms), characters = saturating_add(r.characters, excluded.characters),
			searches = saturating_add(r.searches, excluded.searches);
	END LOOP;
	RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER usage_spans_add AFTER INSERT ON usage_rollups REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION usage_spans_add();
CREATE TRIGGER usage_spans_change AFTER UPDATE ON usage_rollups REFERENCING OLD TABLE AS removed NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION usage_spans_change();

INSERT INTO usage_spans SELECT w.hours, level, slot / (4 * w.hours) * (4 * w.hours), series,
	least(greatest(sum(requests), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(errors), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(estimated), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(cost_nano), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(duration_ns), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(markup_nano), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(unconfirmed_nano), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(unconfirmed_tokens), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(input), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(input_audio), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(input_image), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(cache_read), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(cache_write_5m), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(cache_write_1h), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(output), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(output_audio), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(output_image), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(reasoning), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(images), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(audio_ms), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(characters), -9223372036854775808), 9223372036854775807),
	least(greatest(sum(searches), -9223372036854775808), 9223372036854775807)
FROM usage_rollups CROSS JOIN (VALUES (1::smallint), (24)) w(hours) WHERE level IN (1, 2) GROUP BY 1, 2, 3, 4;
CREATE INDEX usage_series_by_level ON usage_series (level, key_id);
DROP INDEX usage_series_by_key;

-- +goose Down
DROP TRIGGER usage_spans_add ON usage_rollups;
DROP TRIGGER usage_spans_change ON usage_rollups;
DROP FUNCTION usage_spans_add, usage_spans_change;
DROP TABLE usage_spans;
CREATE INDEX usage_series_by_key ON usage_series (key_id);
DROP INDEX usage_series_by_level;
