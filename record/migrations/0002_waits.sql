-- Runs that wait for events, and what is told of an object anew: docs/decisions/0010-steps-that-wait.md.

CREATE TABLE waits (
  hash    BYTES NOT NULL, -- of the event's type, the fields it is matched by, and their values
  run     TEXT NOT NULL,
  address TEXT NOT NULL, -- what waits: a step, or a place of cancel_on
  PRIMARY KEY (hash, run, address)
) NARROW;
CREATE INDEX waits_run ON waits (run);

-- Events that somebody waits for, or may: a run that comes to its wait later looks back.
CREATE TABLE told (
  hash        BYTES NOT NULL, -- as in waits
  accepted_at BIGINT NOT NULL,
  event       TEXT NOT NULL,
  PRIMARY KEY (hash, accepted_at, event)
) NARROW;

-- Events that may end a wait, until the run has looked at them.
CREATE TABLE wait_hits (
  run         TEXT NOT NULL,
  accepted_at BIGINT NOT NULL,
  event       TEXT NOT NULL,
  address     TEXT NOT NULL,
  PRIMARY KEY (run, accepted_at, event, address)
) NARROW;

-- A row for each of a fixed number of classes of hashes, locked by whoever registers a wait or writes an event that
-- somebody may wait for, so that of two transactions the second sees what the first one wrote.
CREATE TABLE wait_locks (
  class BIGINT NOT NULL PRIMARY KEY,
  n     BIGINT NOT NULL
) NARROW;

-- The newest fact told of an object, for nouns that some flow asks about again after a wait.
CREATE TABLE newest (
  hash        BYTES NOT NULL PRIMARY KEY, -- of the noun and which one it is
  event       TEXT NOT NULL,
  occurred_at BIGINT NOT NULL,
  rank        BIGINT NOT NULL
) NARROW;

-- An item that waits for a read holds up timers of its connection, as long as it is not known what it tells.
CREATE INDEX items_fetching ON items (connection, received_at) WHERE state = 'fetching';
