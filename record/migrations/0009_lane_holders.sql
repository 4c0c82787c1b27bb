-- The run that holds a lane stands in the one row that a lane can have at -1 with an empty run: so several nodes cannot both
-- hold it, and no further index is needed.
ALTER TABLE lanes ADD COLUMN holder TEXT NOT NULL DEFAULT '';
UPDATE lanes SET holder = run, run = '' WHERE at = -1;
