-- +goose Up

-- How gateways are named and where they reach each other.
ALTER TABLE gateways ADD COLUMN name text NOT NULL DEFAULT '', ADD COLUMN url text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE gateways DROP COLUMN name, DROP COLUMN url;
