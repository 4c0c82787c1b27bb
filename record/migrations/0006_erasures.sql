-- Who was erased: docs/decisions/0015-life-of-the-data.md. Hashes with a salt of this book, and ids; no names, no addresses.

CREATE TABLE erasures (
  id   TEXT NOT NULL PRIMARY KEY,
  at   BIGINT NOT NULL,
  who  TEXT NOT NULL,
  doc  TEXT NOT NULL
) NARROW;
