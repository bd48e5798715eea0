-- +goose Up

-- What the gateway was called whose process start this was; '' if it never told.
ALTER TABLE ledger_boots ADD COLUMN node text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE ledger_boots DROP COLUMN node;
