-- The data model: docs/decisions/0001-data-model.md says what each table is for and which rules lean on which key.
--
-- One text for both databases. SERIAL is a 64-bit key given in the order of writing, BYTES raw bytes, NARROW a table that
-- lives in its own primary key. Times are unix milliseconds, 0 for none; a null `due` is nothing to do by time.

CREATE TABLE book (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) NARROW;

-- 1 take in

CREATE TABLE arrivals (
  seq         SERIAL,
  id          TEXT NOT NULL UNIQUE,
  connection  TEXT NOT NULL,
  account     TEXT NOT NULL,
  via         TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  body_hash   TEXT NOT NULL,
  same_body   TEXT NOT NULL, -- the arrival that holds the same bytes, when these were not kept again
  doc         TEXT NOT NULL,
  body        BYTES
);

CREATE TABLE items (
  seq          SERIAL,
  id           TEXT NOT NULL UNIQUE,
  arrival      TEXT NOT NULL,
  idx          BIGINT NOT NULL,
  connection   TEXT NOT NULL,
  account      TEXT NOT NULL,
  type         TEXT NOT NULL,
  delivery_key TEXT NOT NULL,
  key_until    BIGINT NOT NULL,
  pointer      TEXT NOT NULL,
  occurred_at  BIGINT NOT NULL,
  received_at  BIGINT NOT NULL,
  duplicate_of TEXT NOT NULL,
  state        TEXT NOT NULL,
  due          BIGINT,
  due_at       BIGINT NOT NULL,
  reason       TEXT NOT NULL,
  events       TEXT NOT NULL, -- ids, a space between them
  problem      TEXT NOT NULL
);
CREATE INDEX items_open ON items (state, due, id) WHERE state = 'kept' OR state = 'fetching' OR state = 'blocked';

CREATE TABLE delivery_keys (
  hash  BYTES NOT NULL PRIMARY KEY,
  item  BIGINT NOT NULL, -- its seq: a third of the width of its id, in the table that grows with all history
  until BIGINT NOT NULL
) NARROW;

CREATE TABLE rejections (
  hour       BIGINT NOT NULL,
  connection TEXT NOT NULL,
  reason     TEXT NOT NULL,
  status     BIGINT NOT NULL,
  n          BIGINT NOT NULL,
  first_at   BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  PRIMARY KEY (hour, connection, reason)
) NARROW;

CREATE TABLE rejection_samples (
  seq        SERIAL,
  connection TEXT NOT NULL,
  reason     TEXT NOT NULL,
  at         BIGINT NOT NULL,
  doc        TEXT NOT NULL
);

-- 2 understand

CREATE TABLE events (
  seq         SERIAL,
  id          TEXT NOT NULL UNIQUE,
  type        TEXT NOT NULL,
  connection  TEXT NOT NULL,
  account     TEXT NOT NULL,
  fact_key    TEXT NOT NULL,
  subject     TEXT NOT NULL,
  parent      TEXT NOT NULL,
  occurred_at BIGINT NOT NULL,
  accepted_at BIGINT NOT NULL,
  data        BYTES,
  considered  TEXT NOT NULL,
  doc         TEXT NOT NULL
);
CREATE INDEX events_type ON events (type, seq);
CREATE INDEX events_parent ON events (parent) WHERE parent <> '';

CREATE TABLE event_hours (
  hour      BIGINT NOT NULL PRIMARY KEY,
  first_seq BIGINT NOT NULL,
  last_seq  BIGINT NOT NULL
) NARROW;

CREATE TABLE fact_keys (
  hash  BYTES NOT NULL PRIMARY KEY,
  event BIGINT NOT NULL -- its seq
) NARROW;

CREATE TABLE evidence (
  event TEXT NOT NULL,
  item  TEXT NOT NULL,
  type  TEXT NOT NULL,
  at    BIGINT NOT NULL,
  PRIMARY KEY (event, item)
) NARROW;

CREATE TABLE search_keys (
  era  BIGINT NOT NULL,
  hash BIGINT NOT NULL,
  seq  BIGINT NOT NULL,
  PRIMARY KEY (era, hash, seq)
) NARROW;

CREATE TABLE subjects (
  id         TEXT NOT NULL PRIMARY KEY,
  type       TEXT NOT NULL,
  name       TEXT NOT NULL,
  merged     TEXT NOT NULL, -- the subject it was found to be
  rank       BIGINT NOT NULL,
  fact_time  BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  aliases    TEXT NOT NULL,
  fields     BYTES
) NARROW;

CREATE TABLE aliases (
  hash    BYTES NOT NULL PRIMARY KEY,
  subject TEXT NOT NULL
) NARROW;

CREATE TABLE pairings (
  type   TEXT NOT NULL,
  conn_a TEXT NOT NULL,
  id_a   TEXT NOT NULL,
  conn_b TEXT NOT NULL,
  id_b   TEXT NOT NULL,
  PRIMARY KEY (type, conn_a, id_a, conn_b)
) NARROW;

-- 3 what shall happen

CREATE TABLE bundles (
  id           TEXT NOT NULL PRIMARY KEY,
  published_at BIGINT NOT NULL,
  content      BYTES NOT NULL
);

CREATE TABLE runs (
  id           TEXT NOT NULL PRIMARY KEY,
  event        TEXT NOT NULL,
  flow         TEXT NOT NULL,
  one          TEXT NOT NULL, -- empty for the live run, else the run's own id: so the live one is unique
  bundle       TEXT NOT NULL,
  mode         TEXT NOT NULL,
  repeats      TEXT NOT NULL,
  owner        TEXT NOT NULL,
  lane         TEXT NOT NULL,
  lane_at      BIGINT NOT NULL, -- its place among those that wait there
  due_by       BIGINT NOT NULL,
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL,
  ended_at     BIGINT NOT NULL,
  state        TEXT NOT NULL,
  due          BIGINT,
  due_at       BIGINT NOT NULL,
  reason       TEXT NOT NULL,
  failed_parts BIGINT NOT NULL,
  problem      TEXT NOT NULL,
  progress     BYTES
) NARROW;
CREATE UNIQUE INDEX runs_event ON runs (event, flow, one);
CREATE INDEX runs_flow ON runs (flow, id);
CREATE INDEX runs_open ON runs (state, due, id) WHERE state <> 'done';
CREATE INDEX runs_late ON runs (due_by) WHERE due_by > 0 AND ended_at = 0;

CREATE TABLE lanes (
  lane TEXT NOT NULL,
  at   BIGINT NOT NULL, -- -1 for the run that holds the lane, else when its event was accepted; 0 for one that came back
  run  TEXT NOT NULL,
  PRIMARY KEY (lane, at, run)
) NARROW;

-- 4 make it happen

CREATE TABLE effects (
  seq         SERIAL,
  id          TEXT NOT NULL UNIQUE,
  event       TEXT NOT NULL,
  flow        TEXT NOT NULL,
  address     TEXT NOT NULL,
  generation  BIGINT NOT NULL,
  run         TEXT NOT NULL,
  connection  TEXT NOT NULL,
  account     TEXT NOT NULL,
  action      TEXT NOT NULL,
  planned_at  BIGINT NOT NULL,
  key         TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  state       TEXT NOT NULL,
  due         BIGINT,
  frozen      TEXT NOT NULL, -- inputs, request, grade: as planned
  doc         TEXT NOT NULL, -- what may change
  UNIQUE (event, flow, address, generation)
);
CREATE INDEX effects_open ON effects (state, connection, due, seq) WHERE state = 'planned' OR state = 'sent' OR state = 'unknown';

CREATE TABLE effect_keys (
  era  BIGINT NOT NULL,
  hash BIGINT NOT NULL,
  seq  BIGINT NOT NULL,
  PRIMARY KEY (era, hash, seq)
) NARROW;

CREATE TABLE fetches (
  seq        SERIAL,
  id         TEXT NOT NULL UNIQUE,
  item       TEXT NOT NULL,
  run        TEXT NOT NULL,
  effect     TEXT NOT NULL,
  connection TEXT NOT NULL,
  action     TEXT NOT NULL,
  planned_at BIGINT NOT NULL,
  state      TEXT NOT NULL,
  due        BIGINT,
  frozen     TEXT NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX fetches_item ON fetches (item) WHERE item <> '';
CREATE INDEX fetches_run ON fetches (run) WHERE run <> '';
CREATE INDEX fetches_effect ON fetches (effect) WHERE effect <> '';
CREATE INDEX fetches_open ON fetches (connection, due, seq) WHERE state = 'planned';

CREATE TABLE attempts (
  seq        SERIAL,
  owner      TEXT NOT NULL, -- the effect or fetch it was for
  id         TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  doc        TEXT NOT NULL,
  request    BYTES,
  response   BYTES
);
CREATE INDEX attempts_owner ON attempts (owner, seq);

CREATE TABLE stamps (
  hash   BYTES NOT NULL PRIMARY KEY,
  effect TEXT NOT NULL,
  stamp  TEXT NOT NULL
) NARROW;

CREATE TABLE messages (
  effect     TEXT NOT NULL PRIMARY KEY,
  event      TEXT NOT NULL,
  connection TEXT NOT NULL,
  recipient  TEXT NOT NULL,
  template   TEXT NOT NULL,
  remote     TEXT NOT NULL,
  state      TEXT NOT NULL,
  reason     TEXT NOT NULL,
  updated_at BIGINT NOT NULL
) NARROW;

-- 5 people

CREATE TABLE problems (
  id         TEXT NOT NULL PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE,
  state      TEXT NOT NULL,
  connection TEXT NOT NULL,
  flow       TEXT NOT NULL,
  lesser     BIGINT NOT NULL,
  n          BIGINT NOT NULL,
  total      BIGINT NOT NULL,
  first_at   BIGINT NOT NULL,
  last_at    BIGINT NOT NULL,
  fixed_at   BIGINT NOT NULL,
  doc        TEXT NOT NULL
);
CREATE INDEX problems_open ON problems (last_at) WHERE state <> 'fixed';

CREATE TABLE members (
  member  TEXT NOT NULL, -- what it is and its id or name: effect:eff_…
  problem TEXT NOT NULL,
  event   TEXT NOT NULL,
  at      BIGINT NOT NULL,
  PRIMARY KEY (member, problem)
) NARROW;
CREATE INDEX members_problem ON members (problem, at);

CREATE TABLE connection_states (
  connection TEXT NOT NULL PRIMARY KEY,
  doc        TEXT NOT NULL
) NARROW;

CREATE TABLE figures (
  width BIGINT NOT NULL, -- 0 for what stands now, 60000 for a minute, 3600000 for an hour
  name  TEXT NOT NULL,
  start BIGINT NOT NULL,
  what  TEXT NOT NULL, -- the connection or flow it is counted for
  n     BIGINT NOT NULL,
  last  BIGINT NOT NULL,
  PRIMARY KEY (width, name, start, what)
) NARROW;

CREATE TABLE settings (
  name  TEXT NOT NULL PRIMARY KEY,
  value BYTES
) NARROW;

CREATE TABLE secrets (
  name       TEXT NOT NULL PRIMARY KEY,
  sealed     BYTES NOT NULL,
  updated_at BIGINT NOT NULL
) NARROW;

CREATE TABLE desk_values (
  list  TEXT NOT NULL,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  who   TEXT NOT NULL,
  at    BIGINT NOT NULL,
  PRIMARY KEY (list, key)
) NARROW;

CREATE TABLE audit (
  seq    SERIAL,
  id     TEXT NOT NULL UNIQUE,
  at     BIGINT NOT NULL,
  who    TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  doc    TEXT NOT NULL
);
CREATE INDEX audit_object ON audit (object);
