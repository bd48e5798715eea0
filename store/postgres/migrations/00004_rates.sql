-- +goose Up

-- Limits a minute that gateways share, by the generic cell rate algorithm: tat is the
-- theoretical arrival time, in nanoseconds since 1970. Unlogged: a crash of the server
-- gives each limit at most its burst anew, and nothing waits for a disk.
CREATE UNLOGGED TABLE limit_rates (
	counter text COLLATE "C" PRIMARY KEY,
	tat bigint NOT NULL
) WITH (fillfactor = 50);

-- Parts of limits on what runs at a time. wants says that the holder needs more.
CREATE UNLOGGED TABLE limit_slots (
	counter text COLLATE "C" NOT NULL,
	boot text COLLATE "C" NOT NULL,
	amount bigint NOT NULL,
	wants boolean NOT NULL,
	until timestamptz NOT NULL, -- a holder that is not heard of has none after
	PRIMARY KEY (counter, boot)
) WITH (fillfactor = 50);

-- Takes of a counter as many units as there are, no fewer than few and no more than
-- many, or none. adjust is what was taken too little before, or negative too
-- much. ahead is how far the arrival time is ahead of now afterwards. Both are in
-- nanoseconds. A clock that was set back costs an hour at most.
-- +goose StatementBegin
CREATE FUNCTION limit_take(name text, per_minute bigint, burst bigint, adjust bigint, few bigint, many bigint, OUT granted bigint, OUT ahead bigint) LANGUAGE plpgsql AS $$
DECLARE
	minute CONSTANT numeric := 60000000000;
	now_ns bigint;
	at numeric;
	room numeric;
BEGIN
	INSERT INTO limit_rates (counter, tat) VALUES (name, 0) ON CONFLICT (counter) DO NOTHING;
	SELECT tat INTO at FROM limit_rates WHERE counter = name FOR UPDATE;
	now_ns := (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint; -- once the row is ours
	at := greatest(least(at + adjust, now_ns + trunc(burst * minute / per_minute) + 60 * minute), now_ns);
	room := floor((now_ns - at) * per_minute / minute) + burst;
	granted := CASE WHEN few > 0 AND room >= few THEN least(room, many) ELSE 0 END;
	at := at + trunc(granted * minute / per_minute);
	ahead := (at - now_ns)::bigint;
	UPDATE limit_rates SET tat = at::bigint WHERE counter = name;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION limit_take;
DROP TABLE limit_rates, limit_slots;
