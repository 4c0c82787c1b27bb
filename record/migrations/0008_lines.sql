-- Each flow has its own line of effects at a connection (record/due.go): the queue is found by flow, too.

DROP INDEX effects_open;
CREATE INDEX effects_open ON effects (state, connection, flow, due, seq) WHERE state = 'planned' OR state = 'sent' OR state = 'unknown';
