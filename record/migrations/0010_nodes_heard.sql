-- When a node was heard of last, and who noticed that it was gone.

ALTER TABLE nodes ADD COLUMN heard_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN noticed TEXT NOT NULL DEFAULT '';

-- What one node at a time may do, and what came of it: a token that is renewed. Who had it until that time.
CREATE TABLE turns (
  name  TEXT NOT NULL PRIMARY KEY,
  epoch BIGINT NOT NULL,
  until BIGINT NOT NULL,
  value BYTES
) NARROW;
