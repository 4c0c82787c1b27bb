-- What waits for a person: docs/decisions/0011-what-waits-for-a-person.md.

-- How many effects of a step were released by hand, over all versions of its flow.
CREATE TABLE releases (
  flow    TEXT NOT NULL,
  address TEXT NOT NULL, -- of the step, without the keys of items
  n       BIGINT NOT NULL,
  PRIMARY KEY (flow, address)
) NARROW;

-- The effect that may be writing to the object now: under way, or its outcome not known. Nothing overtakes it.
ALTER TABLE stamps ADD COLUMN writer TEXT NOT NULL DEFAULT '';

-- Questions to people, and what they approved.
CREATE TABLE asks (
  seq   SERIAL,
  id    TEXT NOT NULL UNIQUE,
  run   TEXT NOT NULL,
  event TEXT NOT NULL,
  flow  TEXT NOT NULL,
  state TEXT NOT NULL,
  doc   TEXT NOT NULL
);
CREATE INDEX asks_run ON asks (run);
-- A run stands at one step.
CREATE UNIQUE INDEX asks_open ON asks (run) WHERE state = 'open';

CREATE TABLE approvals (
  hash BYTES NOT NULL PRIMARY KEY, -- of event, flow, address, what had to approve it, and the fingerprint
  who  TEXT NOT NULL,
  at   BIGINT NOT NULL
) NARROW;
