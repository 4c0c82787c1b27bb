-- Bulk work with a name: docs/decisions/0014-bulk-work-is-a-job.md. An event that is in no job costs nothing here.

CREATE TABLE jobs (
  id         TEXT NOT NULL PRIMARY KEY,
  kind       TEXT NOT NULL,
  state      TEXT NOT NULL,
  due        BIGINT, -- null for nothing to do by itself
  version    BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  doc        TEXT NOT NULL
) NARROW;
CREATE INDEX jobs_due ON jobs (due) WHERE due IS NOT NULL;

CREATE TABLE job_members (
  job      TEXT NOT NULL,
  object   TEXT NOT NULL, -- its order is that of the work: ids sort by time
  event    TEXT NOT NULL,
  state    TEXT NOT NULL,
  class    TEXT NOT NULL,
  run      TEXT NOT NULL,
  begun_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  seen_at  BIGINT NOT NULL,
  doc      TEXT NOT NULL,
  PRIMARY KEY (job, object)
) NARROW;
CREATE INDEX job_members_state ON job_members (job, state, object);
CREATE INDEX job_members_run ON job_members (run) WHERE run <> '';

-- Whom the messages of a plan would reach, each once: hashes, to be counted only.
CREATE TABLE job_people (
  job  TEXT NOT NULL,
  hash BYTES NOT NULL,
  PRIMARY KEY (job, hash)
) NARROW;
