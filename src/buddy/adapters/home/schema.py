"""The tables of `buddy.db`, one script a version."""

VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('ticket', 0), ('approvals', 0);

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, folder TEXT NOT NULL, mode TEXT NOT NULL, started_at REAL NOT NULL,
    state TEXT NOT NULL, head_seq INTEGER NOT NULL, head_hash TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE lock_epochs (
    epoch INTEGER PRIMARY KEY, engaged INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
);

-- One row a resource of a want; the rows of a want share its ticket.
CREATE TABLE leases (
    resource TEXT NOT NULL, ticket INTEGER NOT NULL, holder TEXT NOT NULL, owner TEXT NOT NULL,
    is_write INTEGER NOT NULL, held INTEGER NOT NULL, PRIMARY KEY (resource, ticket)
) WITHOUT ROWID;
CREATE INDEX leases_holder ON leases (holder);

-- The action ledger. Ids grow with time: what has a larger one came later.
CREATE TABLE actions (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL, run_id TEXT NOT NULL, step TEXT NOT NULL,
    tool TEXT NOT NULL, agent TEXT NOT NULL, at REAL NOT NULL, irreversible INTEGER NOT NULL,
    resources BLOB NOT NULL
);
CREATE UNIQUE INDEX actions_digest ON actions (digest, run_id, step);
CREATE INDEX actions_step ON actions (run_id, step);
CREATE TABLE action_resources (
    resource TEXT NOT NULL, action INTEGER NOT NULL, PRIMARY KEY (resource, action)
) WITHOUT ROWID;

-- What caps count. A usage row holds how much its agent had used of its tool in all, so that what was used
-- in a window is the difference of two rows; tallies are the last of them.
CREATE TABLE tallies (
    agent TEXT NOT NULL, tool TEXT NOT NULL, calls INTEGER NOT NULL, writes INTEGER NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (agent, tool)
) WITHOUT ROWID;
CREATE TABLE usage (
    agent TEXT NOT NULL, tool TEXT NOT NULL, at REAL NOT NULL, calls INTEGER NOT NULL,
    writes INTEGER NOT NULL, PRIMARY KEY (agent, tool, at, calls)
) WITHOUT ROWID;
CREATE TABLE recipients (
    agent TEXT NOT NULL, tool TEXT NOT NULL, recipient TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (agent, tool, recipient)
) WITHOUT ROWID;
CREATE INDEX recipients_at ON recipients (agent, tool, at, recipient);

CREATE TABLE approvals (
    id INTEGER PRIMARY KEY, approval_id TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, action TEXT NOT NULL,
    items INTEGER NOT NULL, binding TEXT NOT NULL, expires_at REAL NOT NULL, state TEXT NOT NULL,
    request BLOB NOT NULL, votes BLOB NOT NULL
);
CREATE INDEX approvals_run ON approvals (run_id);
CREATE INDEX approvals_state ON approvals (state);
CREATE TABLE consumptions (
    id INTEGER PRIMARY KEY, approval_id TEXT NOT NULL, action TEXT NOT NULL, UNIQUE (approval_id, action)
);
CREATE TRIGGER approvals_asked AFTER INSERT ON approvals
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;
CREATE TRIGGER approvals_decided AFTER UPDATE ON approvals
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;
CREATE TRIGGER approvals_consumed AFTER INSERT ON consumptions
    BEGIN UPDATE counters SET value = value + 1 WHERE name = 'approvals'; END;

CREATE TABLE breakers (subject TEXT PRIMARY KEY, opened_at REAL NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
"""

VERSION_2 = """
-- Digests lie anywhere: each one entered writes a page of their index, so the index has to be small.
DROP INDEX actions_digest;
CREATE INDEX actions_print ON actions (substr(digest, 1, 6));
"""

VERSION_3 = """
-- Each live call wrote to these too. Leases are few enough to be looked through, what a step did is found by
-- its digest, and all that a run did is only asked for when the run is taken up again.
DROP INDEX leases_holder;
DROP INDEX actions_step;
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1, VERSION_2, VERSION_3)
"""The n-th script takes a database from version n - 1 to version n."""
