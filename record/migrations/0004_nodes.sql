-- Several nodes on one book: docs/decisions/0013-nodes.md. A claim is the epoch of the node that has a row in hand, 0 for
-- nobody: it is written with the row itself. A book that one process has to itself keeps its claims in memory.

CREATE TABLE nodes (
  seq        SERIAL, -- its epoch
  name       TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  until      BIGINT NOT NULL, -- the end of its lease, on the book's clock
  free_at    BIGINT NOT NULL, -- since when its claims are free; 0 while it works
  gone_at    BIGINT NOT NULL, -- since when nothing it decides counts; 0 while its lease holds
  lost       BIGINT NOT NULL, -- 1: it did not leave, its lease ended
  doc        TEXT NOT NULL
);

-- Of an effect that is sent, the claim says who sent it.
ALTER TABLE items ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;
ALTER TABLE effects ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fetches ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;

-- What each node may use of a connection's limits. The row of epoch 0 is locked by whoever changes a part.
CREATE TABLE parts (
  connection TEXT NOT NULL,
  epoch      BIGINT NOT NULL,
  slots      BIGINT NOT NULL, -- calls at once that are its own
  wants      BIGINT NOT NULL, -- as many as it could use
  since      BIGINT NOT NULL, -- when it got the first of them
  PRIMARY KEY (connection, epoch)
) NARROW;
