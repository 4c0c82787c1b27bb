-- Whether an event may still be looked back to, before it is forgotten.

CREATE INDEX told_event ON told (event);
CREATE INDEX newest_event ON newest (event);
