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
